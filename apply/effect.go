package apply

import "slices"

// SameEffect reports whether what is live does to every connection what the plan
// does, whatever the rules are called and however they are cut, as do those of
// Linkerd's proxy-init for the same settings. False does not say that it does not:
// see plan.Plan.SameEffect.
func (c Comparison) SameEffect() bool {
	if len(c.Others) > 0 || !slices.Equal(c.Live.specs(), c.Want.specs()) {
		return false
	}
	live, ok := Recover(c.Live.WithoutUnused())
	want, planned := Recover(c.Want)
	return ok && planned && live.SameEffect(want)
}

// specs returns what must be right of the base chains.
func (s State) specs() (out []string) {
	for _, sec := range s.Sections {
		if sec.Spec != "" {
			out = append(out, sec.Spec)
		}
	}
	return out
}
