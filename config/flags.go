package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// The flags of this package that are not settings.
const (
	flagConfig      = "config"
	flagBinPath     = "firewall-bin-path"
	flagSaveBinPath = "firewall-save-bin-path"
)

// Flags holds what the command line gave, unread: Load reads it together
// with the other layers.
type Flags struct {
	names    Names
	origin   string // of the flags, for Sources: "flag"
	settings []Setting
	given    []given // in the order of the command line
}

// given is one flag as it was written on the command line.
type given struct {
	name string // shunt's or Linkerd's
	text string
}

// flagValue is one flag, for pflag. It accepts any text: Load
// reports what is invalid, in the same words for every layer.
type flagValue struct {
	flags   *Flags
	name    string
	kind    string
	initial string // the value without the flag, for --help
}

// Set records the text.
func (v *flagValue) Set(text string) error {
	v.flags.given = append(v.flags.given, given{v.name, text})
	return nil
}

// String returns the default.
func (v *flagValue) String() string { return v.initial }

// Type returns the placeholder for the value in --help.
func (v *flagValue) Type() string { return v.kind }

// BindFlags defines on fs a flag for every setting by shunt's name and one by
// Linkerd's, and --config. The names under which the program was called are
// shown, the others are hidden. Linkerd's one-letter flags exist under Linkerd's
// names only: under ours -f is a file and -o the output.
func BindFlags(fs *pflag.FlagSet, names Names) *Flags {
	f := &Flags{names: names, origin: "flag", settings: Settings()}
	initial := names.defaults()
	for _, s := range f.settings {
		kind := s.Kind.String()
		if s.Kind == KindChoice {
			kind = strings.Join(s.Choices, "|")
		}
		name, other, help, letter := s.Name, s.Linkerd, s.Help, ""
		switch {
		case names == LinkerdNames:
			letter = s.Shorthand
			if other != "" {
				name, other = other, name
			}
		case other != "":
			help += " (Linkerd: --" + other + ")"
		}
		flags := []*pflag.Flag{fs.VarPF(&flagValue{f, name, kind, f.initial(s, &initial)}, name, letter, help)}
		if other != "" {
			flags = append(flags, fs.VarPF(&flagValue{f, other, kind, ""}, other, "", s.Help))
			flags[1].Hidden = true
		}
		for _, flag := range flags {
			if s.Kind == KindBool {
				flag.NoOptDefVal = "true"
			}
		}
	}
	fs.Var(&flagValue{f, flagConfig, "file", ""}, flagConfig, "read settings from this YAML or JSON file, - for standard input")
	for _, name := range []string{flagBinPath, flagSaveBinPath} {
		fs.VarPF(&flagValue{f, name, "command", ""}, name, "", "Linkerd's older form of --"+settingIptablesMode).Hidden = true
	}
	return f
}

// initial returns the default that --help shows: none where nothing is set.
func (f *Flags) initial(s Setting, c *Config) string {
	if s.Kind == KindID && s.Get(c) == NoID.String() {
		return ""
	}
	return s.Get(c)
}

// values returns the flag layer.
func (f *Flags) values() (layer, error) {
	l := make(layer, len(f.settings))
	for _, g := range f.given {
		if i := find(f.settings, g.name); i >= 0 {
			l[i] = append(l[i], Value{Source: f.source(g.name), Text: g.text})
		}
	}
	// --iptables-mode overrides the binaries, so they are not even read.
	if mode := find(f.settings, settingIptablesMode); len(l[mode]) == 0 {
		var err error
		if l[mode], err = f.binaries(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// binaries returns the iptables modes that Linkerd's flags for the binaries
// ask for. The binary itself comes last, where it counts, as in Linkerd. An
// empty path is none.
func (f *Flags) binaries() ([]Value, error) {
	var modes []Value
	for _, flag := range []struct{ name, suffix string }{{flagSaveBinPath, "-save"}, {flagBinPath, ""}} {
		for _, g := range f.given {
			if g.name != flag.name || g.text == "" {
				continue
			}
			v := Value{Source: f.source(g.name)}
			var err error
			if v.Text, err = modeOfBinary(g.text, flag.suffix); err != nil {
				return nil, v.fault(err)
			}
			modes = append(modes, v)
		}
	}
	return modes, nil
}

// file returns the argument of --config, empty without it.
func (f *Flags) file() (string, error) {
	path := ""
	for _, g := range f.given {
		switch {
		case g.name != flagConfig:
		case g.text == "":
			return "", inputf("flag --config: want the path of a file, or - for standard input")
		case path != "":
			return "", inputf("flag --config is given twice (%s and %s): want one file", Quote(path), Quote(g.text))
		default:
			path = g.text
		}
	}
	return path, nil
}

func (f *Flags) source(name string) Source { return Source(f.origin + " --" + name) }
