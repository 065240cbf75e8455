package lint

import "shunt/config"

// set returns a set of single ports.
func set(ports ...uint16) config.PortSet {
	var s config.PortSet
	for _, p := range ports {
		s = s.Union(config.PortSet{{First: p, Last: p}})
	}
	return s
}

// overlap returns the ports that are in both sets.
func overlap(a, b config.PortSet) config.PortSet {
	var out config.PortSet
	for _, x := range a {
		for _, y := range b {
			if first, last := max(x.First, y.First), min(x.Last, y.Last); first <= last {
				out = append(out, config.PortRange{First: first, Last: last})
			}
		}
	}
	return out
}

// without returns the ports of a that are not in b.
func without(a, b config.PortSet) config.PortSet {
	var out config.PortSet
	for _, r := range a {
		next := int(r.First) // the first port that is not dealt with
		for _, cut := range b {
			if cut.Last < r.First || cut.First > r.Last {
				continue
			}
			if next < int(cut.First) {
				out = append(out, config.PortRange{First: uint16(next), Last: cut.First - 1})
			}
			next = int(cut.Last) + 1
		}
		if next <= int(r.Last) {
			out = append(out, config.PortRange{First: uint16(next), Last: r.Last})
		}
	}
	return out
}
