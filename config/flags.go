package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// The flags of this package that are no settings.
const (
	flagConfig      = "config"
	flagBinPath     = "firewall-bin-path"
	flagSaveBinPath = "firewall-save-bin-path"
)

// Flags holds what the command line gave, unread: Load reads it together
// with the other layers.
type Flags struct {
	names    Names
	settings []Setting
	given    []given // in the order of the command line
}

// given is one flag as it stood on the command line.
type given struct {
	name string // shunt's or Linkerd's
	text string
}

// flagValue is one flag, for pflag. It takes any text: a wrong one is an
// error of Load, which words it alike for every layer.
type flagValue struct {
	flags   *Flags
	name    string
	kind    string
	initial string // the value without the flag, for --help
}

// Set notes the text.
func (v *flagValue) Set(text string) error {
	v.flags.given = append(v.flags.given, given{v.name, text})
	return nil
}

// String returns the value that holds without the flag.
func (v *flagValue) String() string { return v.initial }

// Type returns the word that stands for the value in --help.
func (v *flagValue) Type() string { return v.kind }

// BindFlags defines on fs a flag for every setting, --config, and Linkerd's
// names for the same. Linkerd's names are hidden: the help of ours mentions
// them. The one-letter flags in taken are left to the caller.
func BindFlags(fs *pflag.FlagSet, names Names, taken string) *Flags {
	f := &Flags{names: names, settings: Settings()}
	initial := names.defaults()
	for _, s := range f.settings {
		if strings.Contains(taken, s.Shorthand) {
			s.Shorthand = ""
		}
		help := s.Help
		if s.Linkerd != "" {
			help += " (Linkerd: --" + s.Linkerd + ")"
		}
		kind := s.Kind.String()
		if s.Kind == KindChoice {
			kind = strings.Join(s.Choices, "|")
		}
		f.define(fs, s, s.Name, &flagValue{f, s.Name, kind, f.initial(s, &initial)}, help)
		if s.Linkerd != "" {
			f.define(fs, Setting{Kind: s.Kind}, s.Linkerd, &flagValue{f, s.Linkerd, kind, ""}, s.Help).Hidden = true
		}
	}
	f.define(fs, Setting{}, flagConfig, &flagValue{f, flagConfig, "file", ""},
		"read settings from this YAML or JSON file, - for standard input")
	for _, name := range []string{flagBinPath, flagSaveBinPath} {
		f.define(fs, Setting{}, name, &flagValue{f, name, "command", ""},
			"Linkerd's older form of --"+settingIptablesMode).Hidden = true
	}
	return f
}

func (f *Flags) define(fs *pflag.FlagSet, s Setting, name string, v *flagValue, help string) *pflag.Flag {
	flag := fs.VarPF(v, name, s.Shorthand, help)
	if s.Kind == KindBool {
		flag.NoOptDefVal = "true"
	}
	return flag
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
			l[i] = append(l[i], Value{Source: flagSource(g.name), Text: g.text})
		}
	}
	// --iptables-mode overrides the binaries, so that they are not even read.
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
			v := Value{Source: flagSource(g.name)}
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
			return "", inputf("flag --config is given twice (%s and %s): want one file", quote(path), quote(g.text))
		default:
			path = g.text
		}
	}
	return path, nil
}

func flagSource(name string) Source { return Source("flag --" + name) }
