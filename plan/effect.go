package plan

import (
	"slices"
	"sort"

	"shunt/config"
)

// SameEffect reports whether two plans do the same to every connection, whatever
// their rules are called, in whatever order those stand that can change places,
// and however their lists are cut. True is certain; false is not, for rules that
// shunt would not write.
func (p Plan) SameEffect(o Plan) bool {
	return p.IPv6 == o.IPv6 &&
		slices.EqualFunc(spelling(p.Inbound), spelling(o.Inbound), Rule.Equal) &&
		slices.EqualFunc(spelling(p.Outbound), spelling(o.Outbound), Rule.Equal)
}

// spelling returns rules in one spelling: those with the same verdict that stand
// beside each other in order, and of those that look at the same thing one, with
// the lists of all.
func spelling(rules []Rule) (out []Rule) {
	for start := 0; start < len(rules); {
		end := start + 1
		for end < len(rules) && rules[end].Verdict == rules[start].Verdict {
			end++
		}
		out = append(out, oneSpelling(rules[start:end])...)
		start = end
	}
	return out
}

// oneSpelling puts rules with the same verdict in one spelling.
func oneSpelling(rules []Rule) (out []Rule) {
	for _, r := range rules {
		r = Rule{Match: r.Match, Verdict: r.Verdict}
		kind := r.Match.only()
		i := slices.IndexFunc(out, func(o Rule) bool { return kind != noList && o.Match.only() == kind && o.Match.TCP == r.Match.TCP })
		if i < 0 {
			i, out = len(out), append(out, Rule{Match: Match{TCP: r.Match.TCP}, Verdict: r.Verdict})
		}
		m := &out[i].Match
		switch kind {
		case noList:
			*m = r.Match
		case ports:
			m.DstPorts = config.PortSet(m.DstPorts).Union(r.Match.DstPorts)
		case sources:
			m.Src = config.SubnetSet(m.Src).Union(r.Match.Src)
		case destinations:
			m.Dst = config.SubnetSet(m.Dst).Union(r.Match.Dst)
		case users:
			m.UID = joined(m.UID, r.Match.UID)
		case groups:
			m.GID = joined(m.GID, r.Match.GID)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Match.String() < out[j].Match.String() })
	return slices.CompactFunc(out, Rule.Equal)
}

// joined joins two lists of ids, sorted, with ranges that touch in one.
func joined(a, b []IDRange) (out []IDRange) {
	all := slices.Concat(a, b)
	sort.Slice(all, func(i, j int) bool { return all[i].First < all[j].First })
	for _, r := range all {
		if n := len(out); n > 0 && uint64(r.First) <= uint64(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// list names one of a match's lists.
type list uint8

const (
	noList list = iota
	ports
	sources
	destinations
	users
	groups
)

// only returns the list that a match consists of, beside TCP; noList if there is
// none, or more than that. A destination port is TCP's in every rule of ours.
func (m *Match) only() (found list) {
	if m.DstLocal || m.OutInterface != "" || m.Family != Any {
		return noList
	}
	for i, n := range []int{len(m.DstPorts), len(m.Src), len(m.Dst), len(m.UID), len(m.GID)} {
		switch {
		case n > 0 && found != noList:
			return noList
		case n > 0:
			found = list(i + 1)
		}
	}
	return found
}
