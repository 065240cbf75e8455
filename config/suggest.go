package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// FlagError turns an error of the flag parser into an InputError of one line
// that suggests the flag that was probably meant. pflag.ErrHelp and nil come
// back as they are.
func FlagError(fs *pflag.FlagSet, err error) error {
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(fs, unknown)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return invalidValue(invalid)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return inputf("flag --%s needs a value (%s)", missing.GetFlag().Name, placeholder(missing.GetFlag()))
	}
	return &InputError{err}
}

// placeholder is what stands for a flag's value in --help.
func placeholder(f *pflag.Flag) string {
	word, _ := pflag.UnquoteUsage(f)
	return word
}

// invalidValue is the error of a value that pflag itself refused.
func invalidValue(err *pflag.InvalidValueError) error {
	want := err.GetFlag().Value.Type()
	switch {
	case want == "bool":
		want = "true or false"
	case want == "duration":
		want = "a duration such as 5s or 500ms"
	case strings.Contains(want, "|"):
		want = oneOf(strings.Split(want, "|"))
	}
	return inputf("flag --%s: invalid value %s: want %s", err.GetFlag().Name, Quote(err.GetValue()), want)
}

func unknownFlag(fs *pflag.FlagSet, err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		for _, s := range Settings() {
			if s.Shorthand == name && fs.Lookup(s.Name) != nil {
				return inputf("unknown flag -%s: Linkerd's one-letter flags are known to proxy-init alone, here it is --%s", name, s.Name)
			}
		}
		if letters != name {
			return inputf("unknown flag -%s in -%s: see --help", name, letters)
		}
		return inputf("unknown flag -%s: see --help", name)
	}
	var known []string
	fs.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if guess := Suggest(name, known); guess != "" {
		return inputf("unknown flag --%s: did you mean --%s?", name, guess)
	}
	return inputf("unknown flag --%s: see --help", name)
}

// Suggest returns the known name that was probably meant: the one that takes the
// fewest edits, where a missing end counts as two. It returns "" if none is
// close. Case is ignored, and an underscore equals a dash.
func Suggest(name string, known []string) string {
	const longest = 64 // longer than every name, and the cost is its square
	if len(name) > longest {
		return ""
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	best, least := "", 2+len(name)/4
	for _, k := range known {
		cost := edits(name, k)
		if len(name) > 3 && strings.HasPrefix(k, name) {
			cost = min(cost, 2)
		}
		if cost < least {
			best, least = k, cost
		}
	}
	return best
}

// edits counts the bytes to insert, delete or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
