package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"shunt/config"
)

// called runs a command with a choice among its flags.
func called(args ...string) (chosen, out string, err error) {
	var b strings.Builder
	cmd := Finish(&cobra.Command{Use: "tool", RunE: func(*cobra.Command, []string) error { return nil }})
	BindOutput(cmd.Flags(), &chosen, "what is printed", "text", "json", "svg")
	BindVersion(cmd, "tool", "v1.2.3", &b)
	cmd.SetOut(&b)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return chosen, b.String(), err
}

func TestAChoiceIsOneOfItsWords(t *testing.T) {
	t.Parallel()
	if got, _, err := called(); got != "text" || err != nil {
		t.Errorf("default: %s, %v", got, err)
	}
	if got, _, err := called("-o", "svg"); got != "svg" || err != nil {
		t.Errorf("-o svg: %s, %v", got, err)
	}
	_, _, err := called("-o", "yaml")
	if !config.IsInput(err) || err.Error() != `flag --output: invalid value "yaml": want text, json or svg` {
		t.Errorf("-o yaml: %v", err)
	}
	if _, out, _ := called("--help"); !strings.Contains(out, "-o, --output text|json|svg   what is printed (default text)\n") {
		t.Errorf("help:\n%s", out)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if _, out, err := called("--version"); out != "tool v1.2.3\n" || err != nil {
		t.Errorf("--version: %q, %v", out, err)
	}
	if got := Version("v9"); got != "v9" {
		t.Errorf("linked: %s", got)
	}
	if got := Version(""); got == "" {
		t.Error("no version in a test's binary")
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	cmd := Finish(&cobra.Command{Use: "tool", Short: "do", Example: "  tool --it", RunE: func(*cobra.Command, []string) error { return nil }})
	cmd.Flags().String("it", "", "what is done with all of the things that are there, one after the other")
	cmd.Flags().String("port", "", "the port")
	cmd.Flags().String("longer-name", "", "the name")
	cmd.SetOut(&b)
	Help{Width: func() int { return 60 }, Variable: func(flag string) string {
		if flag == "help" || flag == "it" {
			return ""
		}
		return "TOOL_" + flag
	}}.Bind(cmd)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	const want = `do

Usage:
  tool

Examples:
  tool --it

Flags:
      --it string   what is done with all of the
                    things that are there, one after
                    the other
  -h, --help        help for tool

Settings:
      --port string          the port
      --longer-name string   the name

Variables:
  TOOL_port TOOL_longer-name
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
