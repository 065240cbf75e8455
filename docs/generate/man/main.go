// Command man writes shunt's manual pages, one for the program and one for
// each verb, under its own name and as kubectl's plugin, from what the program says
// of itself: cobra's own generator would have to be linked into the program, for a
// third of a megabyte.
//
//	go run ./docs/generate/man bin/shunt man
//
// writes man/shunt.1, man/shunt-plan.1, man/kubectl-shunt.1 and so on.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: man PROGRAM FOLDER")
		os.Exit(2)
	}
	if err := writeAll(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// writeAll writes the pages of the program under each of its names into a folder.
func writeAll(program, folder string) error {
	if err := write(program, folder, "shunt", "redirect a pod's TCP traffic through its sidecar proxy"); err != nil {
		return err
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "man")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plugin := filepath.Join(dir, "kubectl-shunt")
	if err := os.Symlink(program, plugin); err != nil {
		return err
	}
	return write(plugin, folder, "kubectl-shunt", "see what shunt does to the connections of pods")
}

// write writes the pages under one name.
func write(program, folder, name, short string) error {
	root, err := help(program)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	pages := map[string]page{}
	for _, line := range root.commands {
		verb, short, _ := strings.Cut(line, " ")
		p, err := help(program, verb)
		if err != nil {
			return err
		}
		p.short, p.also = strings.TrimSpace(short), []string{name}
		pages[name+"-"+verb] = p
		root.also = append(root.also, name+"-"+verb)
	}
	root.short = short
	pages[name] = root
	for name, p := range pages {
		if err := os.WriteFile(filepath.Join(folder, name+".1"), []byte(p.roff(name)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// page is what a command says of itself.
type page struct {
	short    string
	about    []string // paragraphs
	usage    []string
	examples []string
	commands []string // "plan  print the rules"
	flags    []string // as pflag aligns them
	settings []string // flags that are variables, too

	variables []string
	also      []string // other pages
}

// help asks a command for its help.
func help(program string, verb ...string) (page, error) {
	out, err := exec.Command(program, append(verb, "--help")...).Output()
	if err != nil {
		return page{}, fmt.Errorf("%s %s --help: %w", program, strings.Join(verb, " "), err)
	}
	return parse(string(out)), nil
}

// parse reads help as cobra prints it: paragraphs, and sections with a title
// of their own that ends in a colon.
func parse(text string) page {
	var p page
	into := (*[]string)(nil)
	about := true
	var paragraph []string
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimRight(line, " \n")
		switch title, isTitle := strings.CutSuffix(line, ":"); {
		case isTitle && !strings.HasPrefix(line, " ") && section(&p, title) != nil:
			into, about = section(&p, title), false
			if paragraph != nil {
				p.about, paragraph = append(p.about, strings.Join(paragraph, "\n")), nil
			}
		case line == "" && about && paragraph != nil:
			p.about, paragraph = append(p.about, strings.Join(paragraph, "\n")), nil
		case about && line != "":
			paragraph = append(paragraph, line)
		case strings.HasSuffix(line, "COMMAND --help says more about one."), line == "", into == nil:
		default:
			*into = append(*into, strings.TrimPrefix(line, "  "))
		}
	}
	return p
}

func section(p *page, title string) *[]string {
	switch title {
	case "Usage":
		return &p.usage
	case "Examples":
		return &p.examples
	case "Commands":
		return &p.commands
	case "Flags":
		return &p.flags
	case "Settings":
		return &p.settings
	case "Variables":
		return &p.variables
	}
	return nil
}

// roff writes the page in the macros of man(7).
func (p page) roff(name string) string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	add(".TH %s 1 \"\" shunt \"User Commands\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n", strings.ToUpper(name), escape(name), escape(p.short))
	for _, u := range p.usage {
		add("%s\n", escape(u))
	}
	add(".fi\n.SH DESCRIPTION\n")
	for i, text := range p.about {
		if i > 0 {
			add(".PP\n")
		}
		add("%s\n", escape(text))
	}
	if len(p.commands) > 0 {
		add(".SH COMMANDS\n")
		for _, c := range p.commands {
			verb, short, _ := strings.Cut(c, " ")
			add(".TP\n.B %s\n%s\n", escape(verb), escape(strings.TrimSpace(short)))
		}
	}
	if len(p.flags) > 0 {
		add(".SH OPTIONS\n")
	}
	for i, flags := range [][]string{p.flags, p.settings} {
		if i > 0 && len(flags) > 0 {
			add(".SS Settings\n")
		}
		for _, f := range flags {
			flag, about := columns(f)
			add(".TP\n.B %s\n%s\n", escape(flag), escape(about))
		}
	}
	if len(p.variables) > 0 {
		add(".SH ENVIRONMENT\n%s:\nthe settings of the same names, which flags override.\n", escape(strings.Join(p.variables, "\n")))
	}
	if len(p.examples) > 0 {
		add(".SH EXAMPLES\n.nf\n")
		for _, e := range p.examples {
			add("%s\n", escape(e))
		}
		add(".fi\n")
	}
	add(".SH \"EXIT STATUS\"\n0: done, or nothing found. 1: acting failed, or something was found (diff, lint, status). 2: rejected before anything was touched. 95: not redirected (validate).\n.SH \"SEE ALSO\"\n")
	for i, a := range p.also {
		if i > 0 {
			add(",\n")
		}
		add(".BR %s (1)", escape(a))
	}
	add("\n")
	return b.String()
}

// columns takes a line of flags apart, where pflag put at least two spaces
// between the flag and what it is about.
func columns(line string) (flag, about string) {
	line = strings.TrimSpace(line)
	flag, about, _ = strings.Cut(line, "   ")
	return flag, strings.TrimSpace(about)
}

// escape writes text so that roff takes it as it is: a backslash, a hyphen
// that can be copied, and no line that begins like a macro.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
