package iptables

import "shunt/plan"

// entries is a legacy nat table as the kernel hands it out: rules of all chains,
// one after the other (struct ipt_entry in linux/netfilter_ipv4/ip_tables.h,
// ip6t_entry in linux/netfilter_ipv6/ip6_tables.h), as 64-bit systems lay them
// out. A chain of the user's begins with a rule whose target is ERROR and holds
// the chain's name, and ends with a RETURN that nobody wrote; a base chain ends
// with its policy.
type entries struct {
	data       []byte
	start, end [2]uint32 // of each hook's base chain: its first rule, its policy
}

// cut returns the rule at an offset; ok is false where there is none.
func (t *entries) cut(at uint32, l layout) (e entry, ok bool) {
	if uint64(at)+uint64(l.matches) > uint64(len(t.data)) {
		return e, false
	}
	e = entry{t.data[at:], l}
	target, next := e.u16(l.target), e.u16(l.target+2)
	if int(target) < l.matches || int(target)+targetHeader > int(next) || int(next) > len(e.data) {
		return e, false
	}
	e.data = e.data[:next]
	return e, true
}

// read returns what the table holds of ours. It understands the rules that
// shunt writes, and ok is false if it meets any other in our chains or one that
// leads to them: iptables-save, which can say everything, is to be asked then.
func (t *entries) read(fam plan.Family) (_ *table, ok bool) {
	l := layoutOf(fam)
	first, last, ok := t.ours(l)
	if !ok {
		return nil, false
	}
	out := &table{}
	r := entryReader{family: fam, first: first}
	var position [2]int // in each hook's base chain
	for at := uint32(0); int(at) < len(t.data); {
		e, _ := t.cut(at, l)
		in, base := place(at, first, last), place(at, t.start, t.end)
		if base >= 0 {
			position[base]++
		}
		switch {
		case in >= 0 && at == last[in]:
			if !r.plainReturn(e) {
				return nil, false
			}
		case in >= 0:
			// A chain keeps one stamp, its last rule's.
			rule, ok := r.rule(e)
			c := &out.chains[in]
			if !ok || rule.Verdict.Kind == plan.Jump || c.stamp != "" {
				return nil, false
			}
			c.rules, c.stamp = append(c.rules, rule), rule.Stamp
		case r.leads(e) < 0:
		case base < 0 || at == t.end[base]:
			return nil, false
		default:
			// It may have to be deleted, by what it says and in that order.
			rule, ok := r.rule(e)
			if !ok || r.matches > 1 || rule.Stamp != "" {
				return nil, false
			}
			out.jumps[base] = append(out.jumps[base], jump{rule, lineOf(rule), position[base]})
		}
		at += uint32(len(e.data))
	}
	for i := range out.chains {
		out.chains[i].present = first[i] != 0
	}
	return out, true
}

// ours returns where each of our chains begins, and where the RETURN at its end
// is; 0 for a chain that is not there. Rules lead to chains by these offsets.
func (t *entries) ours(l layout) (first, last [2]uint32, ok bool) {
	chain, previous := -1, uint32(0)
	for at := uint32(0); int(at) < len(t.data); {
		e, ok := t.cut(at, l)
		if !ok {
			return first, last, false
		}
		next := at + uint32(len(e.data))
		if x := e.target(); x.name == errorTarget {
			if chain >= 0 {
				last[chain] = previous
			}
			if chain = ourChain(text(x.data)); chain >= 0 {
				if first[chain] != 0 {
					return first, last, false
				}
				first[chain] = next
			}
		}
		previous, at = at, next
	}
	for i := range first {
		if first[i] != 0 && last[i] == 0 {
			return first, last, false // nothing follows it, not even the table's end
		}
	}
	return first, last, true
}

// place returns which of two chains an offset is in, or -1.
func place(at uint32, first, last [2]uint32) int {
	for i := range first {
		if first[i] <= at && at <= last[i] && last[i] > 0 {
			return i
		}
	}
	return -1
}
