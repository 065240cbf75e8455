package config

// View is one value of a configuration for programs, with where it came from.
type View struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
	Source  Source `json:"source"`
}

// Views returns every setting that has a value of its own, in the order of
// --help.
func (c *Config) Views() []View {
	var out []View
	for _, s := range Settings() {
		if s.AddsTo == nil {
			out = append(out, View{s.Name, s.Get(c), c.Sources.Of(s.Name)})
		}
	}
	return out
}
