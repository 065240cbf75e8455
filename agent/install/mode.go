package install

import "fmt"

// Mode is how the plugin is chained.
type Mode string

// The modes.
const (
	// Auto is drop-in where the runtime reads drop-ins and the file in use is
	// a conflist, else chain.
	Auto Mode = "auto"
	// Dropin writes the entry to NETDIR/<network>/50-shunt.conf, which libcni
	// 1.3 appends to the network's conflist.
	Dropin Mode = "dropin"
	// Chain writes the entry into the conflist in use.
	Chain Mode = "chain"
)

// decide returns the mode for this file and runtime, and why. ignores is the
// runtime that was seen not to load drop-ins, and recorded the mode of the record,
// "" for none. It is an error to ask for drop-in where
// libcni would not read it.
func decide(asked Mode, r, ignores Runtime, recorded Mode, c *Candidate) (mode Mode, why string, err error) {
	unfit := ""
	switch {
	case !c.List:
		unfit = c.File + " is not a conflist"
	case c.Inlined:
		unfit = c.File + " has loadOnlyInlinedPlugins"
	case !isNetworkName(c.Network):
		unfit = fmt.Sprintf("the network's name %q cannot be a folder's", c.Network)
	}
	switch {
	case asked == Dropin && unfit != "":
		return "", "", fmt.Errorf("%s, so a runtime reads no drop-in for it: use mode chain or auto", unfit)
	case asked != Auto:
		return asked, "asked for", nil
	case unfit != "":
		return Chain, unfit, nil
	case r.Known() && r == ignores:
		return Chain, fmt.Sprintf("%s was seen not to load a drop-in", r), nil
	case r.readsDropins():
		return Dropin, fmt.Sprintf("%s reads drop-ins", r), nil
	case r.Known():
		return Chain, fmt.Sprintf("%s reads no drop-ins", r), nil
	case recorded != "":
		return recorded, "as recorded, since the container runtime is not known", nil
	}
	return Chain, "the container runtime is not known", nil
}

// isNetworkName reports whether the CNI specification allows the name, so
// that it can be a folder's.
func isNetworkName(name string) bool {
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return name != ""
}
