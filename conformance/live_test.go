package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/iptables"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/nftables"
)

// snapshot is what the kernel holds of shunt's: the text of each place that
// changes as a whole, by its name: a table of nftables ("nftables inet shunt"),
// a family's nat table of iptables ("iptables-nft ip6"). Where there is
// nothing, there is no entry.
type snapshot map[string]string

// live reads everything that is in a namespace.
func live(t testing.TB, ns *netnstest.NS) snapshot {
	t.Helper()
	var s snapshot
	err := ns.Do(func() (err error) {
		s, err = readLive()
		return err
	})
	if err != nil {
		t.Fatalf("read what is live: %v", err)
	}
	return s
}

func readLive() (snapshot, error) {
	nft, err := nftables.Open(nftables.Options{Settle: netns.Settle})
	if err != nil {
		return nil, err
	}
	defer nft.Close()
	backends := []apply.Backend{nft}
	for _, mode := range []string{iptables.ModeNFT, iptables.ModeLegacy} {
		b, err := iptables.New(context.Background(), iptables.Options{Mode: mode, WaitSeconds: 30})
		if err != nil {
			return nil, err
		}
		backends = append(backends, b)
	}
	s := snapshot{}
	for _, b := range backends {
		read, err := b.Read(context.Background())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.ID(), err)
		}
		for _, section := range read.State().Sections {
			place := string(b.ID()) + " " + apply.Place{Family: section.Family, Table: section.Table}.String()
			if b != apply.Backend(nft) {
				place = string(b.ID()) + " " + section.Family.String()
			} else {
				// Sets that nothing reads change nothing: a run that was
				// killed between its two commits leaves them.
				section.Stray = slices.DeleteFunc(section.Stray, harmless)
				if section.Chain == "" && len(section.Stray) == 0 {
					continue
				}
			}
			s[place] += string(apply.Text(apply.State{Sections: []apply.Section{section}}, b.Line))
		}
	}
	return s, nil
}

// harmless reports whether something that is left in a table of ours does
// nothing there.
func harmless(stray string) bool {
	return stray == "no chains" || strings.HasSuffix(stray, "which no rule reads") || stray == "table left by an interrupted run"
}

// between fails the test unless what is live is, in each place, what was there
// or what is to be there, and in each family one of the two is complete.
func (s snapshot) between(t testing.TB, old, new snapshot) {
	t.Helper()
	whole := map[string]bool{} // families in which a complete set of rules is live
	for place, text := range s {
		wanted := new[place]
		if strings.Contains(place, " shunt-spare") { // stands in for the real one while that is rebuilt
			text, wanted = strings.ReplaceAll(text, "shunt-spare", "shunt"), new[strings.ReplaceAll(place, "-spare", "")]
		}
		if text != old[place] && text != wanted {
			t.Errorf("%s holds neither what was there nor what is to be there:\n%s\nthere was:\n%s\nthere is to be:\n%s", place, text, old[place], wanted)
			continue
		}
		for _, f := range familiesOf(place) {
			whole[f] = true
		}
	}
	for _, f := range []string{"ip", "ip6"} {
		if old.covers(f) && new.covers(f) && !whole[f] {
			t.Errorf("no rules for %s are live; there were and are to be some:\n%v", f, s)
		}
	}
}

func (s snapshot) covers(family string) bool {
	for place := range s {
		if slices.Contains(familiesOf(place), family) {
			return true
		}
	}
	return false
}

// familiesOf returns the families that the rules in a place act on.
func familiesOf(place string) []string {
	switch f := strings.Fields(place)[1]; f {
	case "inet":
		return []string{"ip", "ip6"}
	default:
		return []string{f}
	}
}

// equals fails the test unless two snapshots are the same.
func (s snapshot) equals(t testing.TB, o snapshot) {
	t.Helper()
	if !maps.Equal(s, o) {
		t.Errorf("live is:\n%v\nwant:\n%v", s, o)
	}
}

func (s snapshot) String() string {
	var b strings.Builder
	for _, place := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s:\n%s", place, s[place])
	}
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}
