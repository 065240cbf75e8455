package iptables

import (
	"fmt"

	"shunt/apply"
	"shunt/plan"
)

// Render returns what is wanted as text for iptables-restore --noflush, under the
// names that the commands have in a mode. With IPv6 the same text serves
// ip6tables-restore: each of the two commands passes over the lines that begin
// with the other one's -4 or -6. It is meant for a namespace that has no jumps
// yet; Apply leaves out those that are there.
func Render(mode string, want apply.Desired) string {
	p := want.Plan
	t := fmt.Appendf(nil, "# %s --noflush\n", commandName(mode, plan.IPv4, "restore"))
	if p.IPv6 {
		t = fmt.Appendf(t, "# %s --noflush\n", commandName(mode, plan.IPv6, "restore"))
	}
	t = append(t, "*nat\n"...)
	for _, h := range hooks() {
		t = appendDeclaration(t, h.chain)
	}
	for i, rules := range [2][]plan.Rule{p.Inbound, p.Outbound} {
		for n, r := range rules {
			var stamp apply.Stamp
			if n == len(rules)-1 {
				stamp = want.Stamp
			}
			t = appendRendered(t, hooks()[i].chain, r, stamp, p.IPv6)
		}
	}
	for _, h := range hooks() {
		t = append(appendCommand(t, "-A", h.base), lineOf(jumpRule(h, plan.Any))...)
		t = append(t, '\n')
	}
	return string(append(t, "COMMIT\n"...))
}

// appendRendered writes one rule of the plan for one family or for both.
func appendRendered(t []byte, name string, r plan.Rule, stamp apply.Stamp, ipv6 bool) []byte {
	write := func(command string, fam plan.Family) {
		c := chain{rules: split(r, fam).appendTo(nil)}
		c.stamp(stamp)
		t = c.append(t, command, name)
	}
	switch {
	case !ipv6:
		write("-A", plan.IPv4)
	case len(r.Match.Src)+len(r.Match.Dst) == 0 && r.Match.Family == plan.Any:
		write("-A", plan.IPv4) // the same in both
	default:
		write("-4 -A", plan.IPv4)
		write("-6 -A", plan.IPv6)
	}
	return t
}
