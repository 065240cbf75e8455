package config

import (
	"io"
	"slices"
)

// layer holds the values that one kind of source gives, by the index of
// their setting.
type layer [][]Value

// Load reads all layers: defaults, then the file of --config, then SHUNT_*
// variables (under shunt's names only), then flags. Of each setting the highest
// layer that gives it counts, and a list that one layer gives several times is
// joined.
//
// An InputError says which value is invalid. Every value is checked, even one
// that a higher layer replaces. Load does not validate the result, because
// annotations may have to be merged first.
//
// stdin is read for --config - only.
func (f *Flags) Load(lookupEnv func(string) (string, bool), stdin io.Reader) (Config, error) {
	l, err := f.Read(lookupEnv, stdin)
	if err != nil {
		return Config{}, err
	}
	return l.Over(f.names.defaults())
}

// Layers are the layers above the defaults, as they were read.
type Layers struct {
	settings []Setting
	layers   []layer // lowest first
	warnings []string
}

// Read is Load without the defaults, for callers that have several sets of them.
func (f *Flags) Read(lookupEnv func(string) (string, bool), stdin io.Reader) (*Layers, error) {
	l := &Layers{settings: f.settings}
	path, err := f.file()
	if err != nil {
		return nil, err
	}
	file, err := readFile(path, stdin, f.settings)
	if err != nil {
		return nil, err
	}
	environment := make(layer, len(f.settings))
	if f.names == ShuntNames {
		environment, l.warnings = envLayer(lookupEnv, f.settings)
	}
	flags, err := f.values()
	l.layers = []layer{file, environment, flags}
	return l, err
}

// Over returns the configuration with these defaults below the layers.
func (l *Layers) Over(defaults Config) (Config, error) {
	c := defaults
	c.Warnings = slices.Concat(c.Warnings, l.warnings)
	if err := c.apply(l.settings, l.layers...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// apply sets what the layers give, lowest first. Values that a higher layer
// replaces are checked too.
func (c *Config) apply(settings []Setting, layers ...layer) error {
	for i, s := range settings {
		var highest []Value
		for _, l := range slices.Backward(layers) {
			switch {
			case highest == nil:
				highest = l[i]
			case len(l[i]) > 0:
				unused := *c
				if err := s.Set(&unused, l[i]...); err != nil {
					return err
				}
			}
		}
		if err := s.Set(c, highest...); err != nil {
			return err
		}
	}
	return nil
}
