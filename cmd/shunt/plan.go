package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"shunt/cli"
	"shunt/config"
	"shunt/plan"
	"shunt/redirect"
)

// The formats of what verbs print.
const (
	formatText     = "text"
	formatRules    = "rules"
	formatNft      = "nft"
	formatIptables = "iptables"
	formatTable    = "table"
	formatJSON     = "json"
	formatMermaid  = "mermaid"
)

func newPlan(s *system) *cobra.Command {
	r, w := &request{}, &workloads{}
	var format string
	cmd := &cobra.Command{
		Use:   "plan [flags]",
		Short: "print the rules that would be applied",
		Long: `Print the rules that shunt init would apply with the same flags, without looking
at the kernel. The default is text that the backend's own tool loads; under
--backend auto that is nftables.

With -f, print them for every workload of Kubernetes manifests that is or would
be injected, by its annotations and its namespace's on top of the flags, and
say of the others why they would not be. With -o table, also print where every
value came from.`,
		Example: `  shunt plan -o table
  shunt plan --skip-outbound-ports 3306 > rules.nft
  shunt plan --backend iptables --iptables-mode legacy
  shunt plan -f app.yaml -o table --workload deploy/web
  shunt plan -f app.yaml -o mermaid --workload web`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(cmd.Flags()); err != nil {
				return err
			}
			if len(w.files) > 0 {
				return w.planManifests(r, format)
			}
			req, err := r.resolve()
			if err != nil {
				return err
			}
			text, err := render(req, format)
			if err != nil {
				return err
			}
			if format == formatTable {
				text = s.screen().Fit(text)
			}
			_, err = io.WriteString(s.stdout, text)
			return err
		},
	}
	cli.BindOutput(cmd.Flags(), &format, "what is printed; rules is text that the chosen backend's own tool loads, mermaid a flowchart, which GitHub draws",
		formatRules, formatNft, formatIptables, formatTable, formatJSON, formatMermaid)
	w.bind(cmd.Flags())
	r.bind(cmd, s)
	return cmd
}

// render returns the plan in a format.
func render(req *resolved, format string) (string, error) {
	backend, _, _ := req.cfg.ResolveBackend()
	if format == formatRules {
		format = formatNft
		if backend == config.BackendIptables {
			format = formatIptables
		}
	}
	switch format {
	case formatNft:
		return redirect.NftText(req.cfg, versionString()), nil
	case formatIptables:
		return redirect.IptablesText(req.cfg, versionString()), nil
	case formatTable:
		var b strings.Builder
		err := req.plan.WriteTable(&b)
		return b.String(), err
	case formatMermaid:
		var b strings.Builder
		err := plan.WriteMermaid(&b, req.plan.Charts()...)
		return b.String(), err
	}
	text, err := json.MarshalIndent(req.plan.View(), "", "  ")
	return string(text) + "\n", err
}
