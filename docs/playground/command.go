package playground

import (
	"net/netip"
	"slices"
	"strings"

	"shunt/config"
	"shunt/lint"
)

// Command is one that gives in a terminal what the page shows.
type Command struct {
	Verb string `json:"verb"`
	Line string `json:"line"`
}

// commands returns the lines for a terminal.
func (a *asked) commands() []Command {
	var name []string
	if all := a.set.Workloads(); len(all) > 1 {
		name = []string{"--workload", a.set.Names()[slices.Index(all, a.w)]}
	}
	var common []string
	if a.Mode == config.ModeCNI {
		common = append(common, "--mode", "cni")
	}
	if a.Assume {
		common = append(common, "--assume-injected")
	}
	check := []string{"shunt", "lint", fileName}
	if a.Release != "" && a.Release != lint.DefaultRelease {
		check = append(check, "--linkerd-version", a.Release)
	}
	if a.Assume {
		check = append(check, "--assume-injected")
	}
	of := append([]string{"-f", fileName}, append(name, common...)...)
	out := []Command{{"lint", line(check)}, {"plan", line(append([]string{"shunt", "plan", "-o", "table"}, of...))}}
	if _, err := a.Connection.Question(); err != nil {
		return out
	}
	return append(out, Command{"explain", line(append(a.question(), of...))})
}

// question returns the command's words for the connection.
func (a *asked) question() []string {
	d := a.Connection
	if q, err := d.Question(); err == nil && q.To.IsValid() {
		d.To, d.Port = netip.AddrPortFrom(q.To, q.Port).String(), ""
	}
	words := []string{"shunt", "explain", d.Direction}
	for _, f := range []struct{ flag, value, standard string }{
		{"--uid", d.UID, "0"}, {"--gid", d.GID, "0"}, {"--from", d.From, ""}, {"--to", d.To, ""}, {"--port", d.Port, ""}, {"--proto", d.Proto, "tcp"},
	} {
		if f.value != "" && f.value != f.standard {
			words = append(words, f.flag, f.value)
		}
	}
	return words
}

// line joins words for a POSIX shell.
func line(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsFunc(word, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=", r))
		}) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		b.WriteString(word)
	}
	return b.String()
}
