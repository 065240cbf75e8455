package nftables

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// The chains of Linkerd's proxy-init and of shunt's iptables backend, in
// table nat of the families ip and ip6.
const (
	natTable       = "nat"
	redirectChain  = "PROXY_INIT_REDIRECT"
	outputChain    = "PROXY_INIT_OUTPUT"
	hookPrerouting = "PREROUTING"
	hookOutput     = "OUTPUT"
)

// Leftovers are the rules that iptables-nft wrote for a sidecar proxy: chains
// named PROXY_INIT_* and the jumps to them. They are found and deleted over
// netlink, so that no iptables program is needed.
type Leftovers struct{ backend *Backend }

// leftovers is what is there at one generation.
type leftovers struct {
	gen   uint32
	found []leftover
}

// leftover is what is there in one table.
type leftover struct {
	table  tableID
	chains []string
	jumps  []jump         // from PREROUTING and OUTPUT
	held   map[string]int // rules of others that lead to a chain of ours
	rules  map[string]int // rules in each chain
}

type jump struct {
	chain, to string
	handle    uint64
}

// Leftovers returns the finder of iptables-nft's rules in the backend's
// namespace. It uses the backend's socket.
func (b *Backend) Leftovers() *Leftovers { return &Leftovers{backend: b} }

// HasNAT reports whether a family has the table that iptables-nft writes to.
// Neither asking nor listing the rules with iptables-nft-save makes it.
func (b *Backend) HasNAT(fam plan.Family) (bool, error) {
	family := map[plan.Family]byte{plan.IPv4: unix.NFPROTO_IPV4, plan.IPv6: unix.NFPROTO_IPV6}[fam]
	tables, err := b.sock.tables(func(t tableID) bool { return t == tableID{family, natTable} })
	return len(tables) > 0, explain("look for the nat table of iptables-nft", err)
}

// ID returns apply.IPTablesNFT.
func (l *Leftovers) ID() apply.ID { return apply.IPTablesNFT }

// Read returns what is there, counted rather than decoded: it only has to go.
func (l *Leftovers) Read(context.Context) (apply.Snapshot, error) {
	var s leftovers
	gen, err := l.backend.sock.consistent(func() (err error) {
		s.found, err = l.backend.sock.leftovers()
		return err
	})
	if err != nil {
		return nil, err
	}
	s.gen = gen
	return s, nil
}

// Find is Read.
func (l *Leftovers) Find(ctx context.Context) (apply.Snapshot, error) { return l.Read(ctx) }

// State says of each chain how many rules it has.
func (l leftovers) State() apply.State {
	var s apply.State
	for _, t := range l.found {
		for _, c := range t.chains {
			s.Sections = append(s.Sections, apply.Section{
				Place: t.table.place(c),
				Stray: []string{fmt.Sprintf("%d rules left by iptables-nft", t.rules[c])},
			})
		}
	}
	return s
}

// Clear deletes what the snapshot has, in one commit. A chain that a rule
// of somebody else's leads to is emptied and kept.
func (l *Leftovers) Clear(_ context.Context, snap apply.Snapshot) (commits int, err error) {
	s, ok := snap.(leftovers)
	if !ok || s.gen == 0 {
		return 0, apply.ErrNoSnapshot
	}
	if len(s.found) == 0 {
		return 0, nil
	}
	l.backend.live = live{gen: s.gen}
	return l.backend.commit("delete the chains left by iptables-nft", func(x *batch) {
		for _, l := range s.found {
			for _, j := range l.jumps {
				x.delRule(l.table, j.chain, j.handle)
			}
			for _, c := range l.chains {
				x.flushChain(l.table, c)
			}
			for _, c := range l.chains {
				if l.held[c] == 0 {
					x.delChain(l.table, c)
				}
			}
		}
	})
}

// leftovers looks for chains of ours in table nat, and if there are any, for
// the rules that lead to them.
func (s *socket) leftovers() ([]leftover, error) {
	var found []leftover
	err := s.dump(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, nil, func(family byte, body []byte) error {
		table, c, err := decodeChain(body)
		isIP := family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_IPV6
		if err != nil || !isIP || table != natTable || !isProxyInit(c.name) {
			return err
		}
		id := tableID{family, natTable}
		i := slices.IndexFunc(found, func(l leftover) bool { return l.table == id })
		if i < 0 {
			i = len(found)
			found = append(found, leftover{table: id, held: map[string]int{}, rules: map[string]int{}})
		}
		found[i].chains = append(found[i].chains, c.name)
		return nil
	})
	if err != nil {
		return nil, explain("look for chains left by iptables-nft", err)
	}
	var out []leftover
	for _, l := range found {
		if err := s.hooked(&l); err != nil {
			return nil, err
		}
		if l.dropHeld(); len(l.chains) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// hooked finds the rules that lead to the chains of one table.
func (s *socket) hooked(l *leftover) error {
	err := s.dump(unix.NFT_MSG_GETRULE, l.table.family, stringAttr(nil, unix.NFTA_RULE_TABLE, natTable), func(_ byte, body []byte) error {
		chain, rule, err := decodeRule(body, l.table.family, nil)
		if err != nil {
			return err
		}
		to := rule.Jump
		switch {
		case isProxyInit(chain):
			l.rules[chain]++
		case !isProxyInit(to):
		case chain == hookPrerouting || chain == hookOutput:
			handle, err := ruleHandle(body)
			if err != nil {
				return err
			}
			l.jumps = append(l.jumps, jump{chain, to, handle})
		default:
			l.held[to]++
		}
		return nil
	})
	return explain("look for rules left by iptables-nft", err)
}

// dropHeld forgets chains of which nothing can be removed any more: empty,
// not hooked by us, and kept only because a rule of others leads there.
func (l *leftover) dropHeld() {
	l.chains = slices.DeleteFunc(l.chains, func(c string) bool {
		hooked := slices.ContainsFunc(l.jumps, func(j jump) bool { return j.to == c })
		return l.held[c] > 0 && l.rules[c] == 0 && !hooked
	})
}

func isProxyInit(chain string) bool {
	return chain == redirectChain || chain == outputChain
}

func ruleHandle(body []byte) (handle uint64, err error) {
	a := attrs{rest: body}
	for a.next() {
		if a.kind == unix.NFTA_RULE_HANDLE {
			handle = a.u64()
		}
	}
	return handle, a.fail("a rule's handle")
}
