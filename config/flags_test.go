package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// One flag may come as often as the kernel's limit on arguments allows. Were
// each merged into the list by itself, this would run into the time-out.
func TestAFlagGivenOftenIsMergedOnce(t *testing.T) {
	t.Parallel()
	var args []string
	for range 4 {
		for port := 1; port < 65536; port += 2 {
			args = append(args, fmt.Sprintf("--skip-inbound-ports=%d", port))
		}
	}
	c, err := layers{args: args}.load(t)
	if err != nil || len(c.SkipInboundPorts) != 32768 {
		t.Errorf("%d ranges, %v", len(c.SkipInboundPorts), err)
	}
}

func TestHelpShowsOurNamesAndMentionsLinkerds(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("shunt", pflag.ContinueOnError)
	BindFlags(fs, ShuntNames)
	help := fs.FlagUsages()
	for _, want := range []string{
		"      --inbound-port port ", "(Linkerd: --incoming-proxy-port) (default 4143)\n",
		"      --backend auto|nftables|iptables ", "(default auto)\n",
		"--skip-inbound-ports ports ", "(default 4190-4191,4567-4568)\n",
		"      --ipv6 ", "--config file",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in\n%s", want, help)
		}
	}
	for line := range strings.Lines(help) {
		for _, hidden := range []string{"--incoming-proxy-port", "--inbound-ports-to-ignore", "--firewall-bin-path"} {
			if strings.HasPrefix(strings.TrimSpace(line), hidden) {
				t.Errorf("a hidden flag has a line of its own: %s", line)
			}
		}
	}
}

func TestHelpUnderLinkerdsNamesShowsLinkerds(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("proxy-init", pflag.ContinueOnError)
	BindFlags(fs, LinkerdNames)
	help := fs.FlagUsages()
	for _, want := range []string{"  -p, --incoming-proxy-port port ", "  -o, --outgoing-proxy-port port ", "      --inbound-ports-to-ignore ports ", "      --ipv6 "} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in\n%s", want, help)
		}
	}
	if strings.Contains(help, "--inbound-port ") || strings.Contains(help, "Linkerd: ") {
		t.Errorf("shunt's names are shown in\n%s", help)
	}
}

func TestOneLetterFlagsAreTheCallersUnderShuntsNames(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("shunt", pflag.ContinueOnError)
	fs.StringP("output", "o", "", "format")
	f := BindFlags(fs, ShuntNames)
	if err := fs.Parse([]string{"-o", "table", "--inbound-port", "80", "--outgoing-proxy-port", "81"}); err != nil {
		t.Fatal(err)
	}
	c, err := f.Load(func(string) (string, bool) { return "", false }, nil)
	if err != nil || c.InboundPort != 80 || c.OutboundPort != 81 {
		t.Errorf("ports %d and %d, %v", c.InboundPort, c.OutboundPort, err)
	}
}

func TestFlagErrorLeavesHelpAlone(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("shunt", pflag.ContinueOnError)
	if err := FlagError(fs, pflag.ErrHelp); err != pflag.ErrHelp {
		t.Errorf("help became %v", err)
	}
	if err := FlagError(fs, nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}
