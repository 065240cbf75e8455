package nftables

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// A redirect goes to the port in the register that it reads, and a constant in
// another one is not that port.
func TestARedirectsPortIsThatOfItsRegister(t *testing.T) {
	t.Parallel()
	const second = reg + 1
	for _, tc := range []struct {
		name     string
		constant uint32 // the register that the port is written to
		load     bool   // something else is loaded into the first register then
		min, max uint32 // the registers that the redirect reads
		known    bool
	}{
		{"as shunt writes it", reg, false, reg, reg, true},
		{"a constant in another register", second, false, reg, reg, false},
		{"the redirect reads another register", reg, false, second, second, false},
		{"both are another register", second, false, second, second, false},
		{"the constant was overwritten", reg, true, reg, reg, false},
		{"a range of ports, from another register", reg, false, reg, second, false},
	} {
		e := &encoder{}
		e.nest(unix.NFTA_RULE_EXPRESSIONS, func() {
			e.immediate(tc.constant, func() { e.bytes(unix.NFTA_DATA_VALUE, binary.BigEndian.AppendUint16(nil, 4143)) })
			if tc.load {
				e.meta(unix.NFT_META_L4PROTO)
			}
			e.expression("redir", func() {
				e.u32(unix.NFTA_REDIR_REG_PROTO_MIN, tc.min)
				e.u32(unix.NFTA_REDIR_REG_PROTO_MAX, tc.max)
			})
		})
		_, r, err := decodeRule(e.buf, unix.NFPROTO_INET, nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if want := (plan.Verdict{Kind: plan.Redirect, Port: 4143}); (r.NotUnderstood == "") != tc.known || tc.known != (r.Verdict == want) {
			t.Errorf("%s: %s, not understood: %q", tc.name, r.Verdict, r.NotUnderstood)
		}
	}
}
