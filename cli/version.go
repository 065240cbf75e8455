// Package cli is what the command lines of shunt's programs have in common, on
// top of cobra.
package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version returns the version of the program: linked, which the linker set, or
// else the module's, or else the commit that the build was made from.
func Version(linked string) string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "devel"
	}
	return revision + dirty
}

// NewVersion returns the command that prints the version of a program.
func NewVersion(program, version string, stdout io.Writer) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version [flags]",
		Short:   "print the version",
		Example: fmt.Sprintf("  %s version\n  %[1]s version -o json", program),
		RunE: func(*cobra.Command, []string) error {
			return writeVersion(stdout, program, version, format)
		},
	}
	BindOutput(cmd.Flags(), &format, "what is printed", "text", "json")
	return cmd
}

// BindVersion defines --version, which prints what the command version does
// and ends there.
func BindVersion(cmd *cobra.Command, program, version string, stdout io.Writer) {
	run, asked := cmd.RunE, false
	if run == nil {
		run = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Flags().BoolVar(&asked, "version", false, "print the version")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if asked {
			return writeVersion(stdout, program, version, "text")
		}
		return run(cmd, args)
	}
}

func writeVersion(w io.Writer, program, version, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Version   string `json:"version"`
			GoVersion string `json:"goVersion"`
			Platform  string `json:"platform"`
		}{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintln(w, program, version)
	return err
}
