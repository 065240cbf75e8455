package nftables

import (
	"context"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// The chains of Linkerd's proxy-init and of shunt's iptables backend, in table
// nat of the families ip and ip6.
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

// leftSnapshot is what iptables-nft had left at one generation.
type leftSnapshot struct {
	by    *Leftovers
	gen   uint32
	found []leftover
}

// leftover is what was left in one table.
type leftover struct {
	table  tableID
	chains []leftChain
	jumps  []jump // from PREROUTING and OUTPUT
}

// leftChain is one of the chains.
type leftChain struct {
	name string
	use  int // rules in it, and rules that lead to it
	held int // of these, rules of others that lead to it
}

// jump is a rule that leads to one of the chains.
type jump struct {
	chain  string // that it is in
	handle uint64
}

// Leftovers returns the finder of iptables-nft's rules in the backend's
// namespace. It uses the backend's socket and nothing else of it.
func (b *Backend) Leftovers() *Leftovers { return &Leftovers{backend: b} }

// HasNAT reports whether a family has the table that iptables-nft writes to.
// Neither asking nor listing the rules with iptables-nft-save makes it.
func (b *Backend) HasNAT(fam plan.Family) (bool, error) {
	id := tableID{unix.NFPROTO_IPV4, natTable}
	if fam == plan.IPv6 {
		id.family = unix.NFPROTO_IPV6
	}
	t, err := b.sock.table(context.Background(), id)
	return t != nil, err
}

// ID returns apply.IPTablesNFT.
func (l *Leftovers) ID() apply.ID { return apply.IPTablesNFT }

// Read returns which chains there are. Their rules are not read: they are only
// to be deleted.
func (l *Leftovers) Read(ctx context.Context) (apply.Snapshot, error) {
	s := &leftSnapshot{by: l}
	gen, err := l.backend.sock.consistent(ctx, func(ctx context.Context) (err error) {
		s.found, err = l.backend.sock.leftovers(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for chains left by iptables-nft: %w", err)
	}
	s.gen = gen
	return s, nil
}

// Find is Read.
func (l *Leftovers) Find(ctx context.Context) (apply.Snapshot, error) { return l.Read(ctx) }

// State returns the chains.
func (s *leftSnapshot) State() apply.State {
	var out apply.State
	for _, l := range s.found {
		for _, c := range l.chains {
			out.Sections = append(out.Sections, apply.Section{
				Place: l.table.place(c.name),
				Stray: []string{"a chain left by iptables-nft"},
			})
		}
	}
	return out
}

// Clear deletes what the snapshot has, in one commit. A chain that a rule of
// somebody else's leads to is emptied and kept.
func (l *Leftovers) Clear(ctx context.Context, s apply.Snapshot) (commits int, err error) {
	t := transaction{doing: "delete the chains left by iptables-nft"}
	have, ok := s.(*leftSnapshot)
	if !ok || have == nil || have.by != l || have.gen == 0 {
		return 0, fmt.Errorf("%s: %w", t.doing, apply.ErrNoSnapshot)
	}
	for _, found := range have.found {
		t.ops = append(t.ops, found.remove()...)
	}
	if len(t.ops) == 0 {
		return 0, nil
	}
	return l.backend.send(ctx, have.gen, []transaction{t})
}

// remove returns the operations that delete the chains and the jumps to them.
func (l leftover) remove() (out []op) {
	for _, j := range l.jumps {
		out = append(out, delRule{l.table, j.chain, j.handle})
	}
	for _, c := range l.chains {
		out = append(out, flushChain{l.table, c.name})
	}
	for _, c := range l.chains {
		if c.held == 0 {
			out = append(out, delChain{l.table, c.name})
		}
	}
	return out
}

// leftovers looks for the chains of ours in table nat by their names, and if
// there are any, for the rules of other chains that lead to them.
func (s *socket) leftovers(ctx context.Context) (out []leftover, err error) {
	for _, family := range []byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
		l := leftover{table: tableID{family, natTable}}
		for _, name := range []string{redirectChain, outputChain} {
			c, err := s.chain(ctx, l.table, name)
			if err != nil {
				return nil, err
			}
			if c != nil {
				l.chains = append(l.chains, leftChain{name: name, use: int(c.use)})
			}
		}
		if len(l.chains) == 0 {
			continue
		}
		nat := liveTable{tableID: l.table}
		if err := s.chains(ctx, &nat, math.MaxInt); err != nil {
			return nil, err
		}
		for _, c := range nat.chains {
			if isProxyInit(c.name) {
				continue
			}
			if err := s.leading(ctx, &l, c.name); err != nil {
				return nil, queryError("read the rules of chain "+c.name+" of table "+l.table.String(), err)
			}
		}
		if l.dropHeld(); len(l.chains) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// chain asks for one chain by its name; nil if there is none.
func (s *socket) chain(ctx context.Context, t tableID, name string) (found *liveChain, err error) {
	request := appendString(nil, unix.NFTA_CHAIN_TABLE, t.name)
	request = appendString(request, unix.NFTA_CHAIN_NAME, name)
	err = s.request(ctx, unix.NFT_MSG_GETCHAIN, t.family, 0, request, func(_ byte, body []byte) error {
		_, c, err := decodeChain(body)
		found = &c
		return err
	})
	if err == unix.ENOENT {
		return nil, nil
	}
	return found, queryError("look for chain "+name+" of table "+t.String(), err)
}

// leading finds the rules of one chain that lead to the chains of ours.
func (s *socket) leading(ctx context.Context, l *leftover, chain string) error {
	request := appendString(nil, unix.NFTA_RULE_TABLE, l.table.name)
	request = appendString(request, unix.NFTA_RULE_CHAIN, chain)
	return s.dump(ctx, unix.NFT_MSG_GETRULE, l.table.family, request, func(_ byte, body []byte) error {
		_, rule, err := decodeRule(body, l.table.family, nil)
		if err != nil || !isProxyInit(rule.Jump) {
			return err
		}
		if chain == hookPrerouting || chain == hookOutput {
			handle, err := ruleHandle(body)
			l.jumps = append(l.jumps, jump{chain, handle})
			return err
		}
		for i := range l.chains {
			if l.chains[i].name == rule.Jump {
				l.chains[i].held++
			}
		}
		return nil
	})
}

// dropHeld forgets chains in which nothing can be removed any more: they are
// empty, have no jumps of ours, and are kept only because rules of others lead
// there.
func (l *leftover) dropHeld() {
	l.chains = slices.DeleteFunc(l.chains, func(c leftChain) bool { return c.held > 0 && c.use == c.held })
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
