package nftables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// How much of others' tables is read at most, of all together: enough for what people
// write by hand, and for what runs in a pod beside a proxy.
const (
	maxOtherChains = 10000 // of any kind
	maxOnTheWay    = 100   // base chains that connections pass
	maxOtherSets   = 1000
	maxOtherRules  = 5000
	maxOtherRanges = 2 * maxRanges // in sets
)

// othersLeft is how much more of others' tables is read.
type othersLeft struct{ rules, ranges int }

// Others returns the base chains of other tables that a pod's connections pass: at
// prerouting and input, output and postrouting, in the order in which they are
// passed. Jumps of iptables-nft's base chains to chains of ours are left out, and
// so is what translates source addresses. Unread says why there are none, where
// there are too many.
func (b *Backend) Others(ctx context.Context) (out []apply.BaseChain, unread string, err error) {
	_, err = b.sock.consistent(ctx, func(ctx context.Context) (err error) {
		out, err = b.sock.others(ctx)
		return err
	})
	if large, ok := errors.AsType[*tooLarge](err); ok {
		return nil, "the tables of others: " + large.what, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("look for other tables' base chains: %w", err)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if a, b := hookNumber(out[i]), hookNumber(out[j]); a != b {
			return a < b
		}
		return out[i].Priority < out[j].Priority
	})
	return out, "", nil
}

// hookNumber orders hooks as packets pass them (enum nf_inet_hooks).
func hookNumber(c apply.BaseChain) int {
	return slices.Index([]string{"prerouting", "input", "forward", "output", "postrouting"}, c.At)
}

func (s *socket) others(ctx context.Context) ([]apply.BaseChain, error) {
	tables, err := s.otherTables(ctx)
	if err != nil {
		return nil, err
	}
	var out []apply.BaseChain
	left := othersLeft{maxOtherRules, maxOtherRanges}
	for i := range tables {
		t := &tables[i]
		unread := ""
		if err := s.otherContent(ctx, t, &left); err != nil {
			large, ok := errors.AsType[*tooLarge](err)
			if !ok {
				return nil, err
			}
			unread = large.what
		}
		for _, c := range t.chains {
			if !c.onTheWay() {
				continue
			}
			found := apply.BaseChain{
				Place: t.place(c.name), Kind: c.base.kind, At: hookName(c.base.hook),
				Priority: int(c.base.priority), Drops: c.base.policy == nfDrop, Unread: unread,
			}
			if unread == "" {
				found.Rules = t.deciding(c.name, plan.Match{}, map[string]bool{})
			}
			if found.MayDecide() || !c.leadsToOurs() {
				out = append(out, found)
			}
		}
	}
	return out, nil
}

// otherTables returns the tables of others that have a base chain on the way.
func (s *socket) otherTables(ctx context.Context) ([]liveTable, error) {
	ours := ourTables()
	var tables []liveTable
	chains, onTheWay := 0, 0
	err := s.dump(ctx, unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, nil, func(family byte, body []byte) error {
		name, c, err := decodeChain(body)
		id := tableID{family, name}
		if err != nil || slices.Contains(ours[:], id) || !slices.Contains([]byte{unix.NFPROTO_INET, unix.NFPROTO_IPV4, unix.NFPROTO_IPV6}, family) {
			return err
		}
		if chains++; chains > maxOtherChains {
			return moreThan(maxOtherChains, "chains")
		}
		if c.onTheWay() {
			if onTheWay++; onTheWay > maxOnTheWay {
				return moreThan(maxOnTheWay, "base chains")
			}
		}
		i := slices.IndexFunc(tables, func(t liveTable) bool { return t.tableID == id })
		if i < 0 {
			i, tables = len(tables), append(tables, liveTable{tableID: id})
		}
		tables[i].chains = append(tables[i].chains, c)
		return nil
	})
	tables = slices.DeleteFunc(tables, func(t liveTable) bool { return !slices.ContainsFunc(t.chains, liveChain.onTheWay) })
	return tables, queryError("list all chains", err)
}

// onTheWay reports whether a chain is a base chain that may decide about a pod's
// connections. Nat at input and postrouting translates source addresses.
func (c liveChain) onTheWay() bool {
	switch c.base.hook {
	case unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_OUT:
		return c.spec != ""
	case unix.NF_INET_LOCAL_IN, unix.NF_INET_POST_ROUTING:
		return c.spec != "" && c.base.kind != natType
	}
	return false
}

// leadsToOurs reports whether a chain is one of iptables' that has a jump of ours.
func (c liveChain) leadsToOurs() bool {
	return slices.ContainsFunc(c.rules, func(r apply.Rule) bool { return isProxyInit(r.Jump) })
}

// otherContent reads a table's sets and the rules that may decide.
func (s *socket) otherContent(ctx context.Context, t *liveTable, left *othersLeft) error {
	err := s.sets(ctx, t, maxOtherSets, func(body []byte) (liveSet, error) {
		set, flags, err := decodeAnySet(body)
		if flags&^(unix.NFT_SET_ANONYMOUS|unix.NFT_SET_CONSTANT|unix.NFT_SET_INTERVAL) != 0 {
			set.mismatch = "a set that is not only a list"
		}
		set.single = flags&unix.NFT_SET_INTERVAL == 0
		return set, err
	})
	for i := range t.sets {
		if err == nil {
			err = s.elements(ctx, t.tableID, &t.sets[i])
		}
		if left.ranges -= len(t.sets[i].elems); left.ranges < 0 && err == nil {
			err = moreThan(maxOtherRanges, "ranges in sets")
		}
	}
	if err != nil {
		return err
	}
	err = s.dump(ctx, unix.NFT_MSG_GETRULE, t.family, appendString(nil, unix.NFTA_RULE_TABLE, t.name), func(_ byte, body []byte) error {
		if left.rules--; left.rules < 0 {
			return moreThan(maxOtherRules, "rules")
		}
		chain, rule, err := decodeOther(body, t.family, t.sets)
		if c := t.chain(chain); err == nil && c != nil && rule != nil {
			c.rules = append(c.rules, *rule)
		}
		return err
	})
	return queryError("read the rules of table "+t.String(), err)
}

// decodeOther reads a rule of somebody else's; nil if it can only let a connection
// go on.
func decodeOther(body []byte, family byte, sets []liveSet) (chain string, r *apply.Rule, err error) {
	d := decoder{family: family, sets: sets, others: true}
	chain, err = d.decode(body)
	if d.branches {
		d.rule.Other = "a map of verdicts"
	}
	harmless := d.rule.Other == "" && d.rule.Jump == "" && d.rule.Verdict.Kind != plan.Redirect ||
		slices.Contains([]string{"masquerade", "MASQUERADE", "SNAT", "LOG", "NFLOG", "MARK", "CONNMARK"}, d.rule.Other) ||
		strings.HasPrefix(d.rule.Other, "snat")
	if err != nil || harmless {
		return chain, nil, err
	}
	d.rule.NotUnderstood = strings.Join(d.unknowns, "; ")
	return chain, &d.rule, nil
}

// deciding returns the rules of a chain that may decide, with those of the chains
// that it jumps to in the place of the jumps: each chain once. Through is what the
// jump that led here matches.
func (t *liveTable) deciding(chain string, through plan.Match, seen map[string]bool) (out []apply.Rule) {
	c := t.chain(chain)
	if c == nil || seen[chain] || t.name == natTable && isProxyInit(chain) {
		return nil
	}
	seen[chain] = true
	for _, r := range c.rules {
		r.Match = both(through, r.Match)
		if r.Jump == "" {
			out = append(out, r)
			continue
		}
		for _, led := range t.deciding(r.Jump, r.Match, seen) {
			if r.NotUnderstood != "" {
				led.NotUnderstood = strings.TrimSuffix(r.NotUnderstood+"; "+led.NotUnderstood, "; ")
			}
			out = append(out, led)
		}
	}
	return out
}

// both returns a match that holds where two do. Of two lists it has the second,
// and so may hold for more.
func both(a, b plan.Match) plan.Match {
	m := b
	m.TCP, m.DstLocal = a.TCP || b.TCP, a.DstLocal || b.DstLocal
	if m.Family == plan.Any {
		m.Family = a.Family
	}
	if m.OutInterface == "" {
		m.OutInterface = a.OutInterface
	}
	m.DstPorts, m.Src, m.Dst = either(b.DstPorts, a.DstPorts), either(b.Src, a.Src), either(b.Dst, a.Dst)
	m.UID, m.GID = either(b.UID, a.UID), either(b.GID, a.GID)
	return m
}

func either[T any](list, otherwise []T) []T {
	if list != nil {
		return list
	}
	return otherwise
}
