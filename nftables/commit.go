package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// send makes the commits of a list of transactions, in order, the first at the
// generation gen, and returns how many it made. It waits where a transaction
// says so, stops at the first that is refused, and sends that one's undo. When
// the context has ended, it begins no other transaction.
func (b *Backend) send(ctx context.Context, gen uint32, list []transaction) (commits int, err error) {
	for _, t := range list {
		if err = ctx.Err(); err == nil {
			if t.wait {
				b.settle()
			}
			err = b.commit(ctx, gen, t)
		}
		if err == nil {
			commits++
			gen = next(gen)
			continue
		}
		err = fmt.Errorf("%s: %w", t.doing, err)
		if len(t.undo) == 0 || errors.Is(err, apply.ErrStale) {
			return commits, err
		}
		back := transaction{doing: "take back what was written", ops: t.undo}
		if undoErr := b.commit(ctx, gen, back); undoErr != nil {
			return commits, fmt.Errorf("%w; %s: %w", err, back.doing, undoErr)
		}
		return commits + 1, err
	}
	return commits, nil
}

// next returns the generation after a commit: the kernel counts them and leaves
// out 0 (nf_tables_commit in net/netfilter/nf_tables_api.c).
func next(gen uint32) uint32 {
	if gen++; gen == 0 {
		gen++
	}
	return gen
}

// commit sends one transaction and logs it.
func (b *Backend) commit(ctx context.Context, gen uint32, t transaction) error {
	if b.log.Enabled(ctx, slog.LevelDebug) {
		b.log.Debug("transaction: "+t.doing, "generation", gen, "waited", t.wait, "operations", len(t.ops))
		for _, o := range t.ops {
			b.log.Debug("  " + o.String())
		}
	}
	return b.sock.commit(t.ops, gen)
}

// commit sends a batch of operations. When the send returns, the kernel has
// carried it out, or has queued an error for each message that it refused.
func (s *socket) commit(ops []op, gen uint32) error {
	begin := s.seq + 1
	s.seq += uint32(len(ops)) + 2
	batch := encode(ops, gen, begin)
	if err := s.ready(); err != nil {
		return err
	}
	err := s.write(batch)
	if err == unix.EMSGSIZE {
		s.enlarge(len(batch))
		err = s.write(batch)
	}
	switch err {
	case nil:
	case unix.EMSGSIZE:
		return fmt.Errorf("%w: %d bytes do not fit the socket's buffer, which outside the initial user namespace is limited to net.core.wmem_max", err, len(batch))
	default:
		return err
	}
	var refused error // the first
	lost := false
	for {
		n, _, _, _, err := unix.Recvmsg(s.fd, s.buffer(), nil, unix.MSG_DONTWAIT)
		switch err {
		case nil:
		case unix.EINTR:
			continue
		case unix.ENOBUFS: // reported once, before the answers that there was room for
			lost = true
			continue
		case unix.EAGAIN: // all is read
			if lost && refused == nil {
				return fmt.Errorf("%w: the kernel's answer was lost, so the commit may have been made or not", unix.ENOBUFS)
			}
			return refused
		default:
			if refused == nil {
				refused = err
			}
			return refused
		}
		for b := s.buf[:n]; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				return err
			}
			b = rest
			if m.kind != unix.NLMSG_ERROR || m.errno() == nil || refused != nil {
				continue
			}
			r := &refusal{errno: m.errno().(unix.Errno), note: m.note(batch)}
			if i := int(m.seq - begin - 1); m.seq > begin && i < len(ops) {
				r.op = ops[i]
			}
			refused = r
		}
	}
}

// enlarge makes room for sending that many bytes at once. Beyond
// net.core.wmem_max only the initial user namespace may go; for others the
// send fails again.
func (s *socket) enlarge(size int) {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
}

// note returns what an NLMSG_ERROR says in addition to the error number (an
// extended acknowledgement: linux/netlink.h, enum nlmsgerr_attrs): a text, and
// the attribute that is to blame, by its offset in the message.
func (m message) note(batch []byte) string {
	if m.flags&unix.NLM_F_ACK_TLVS == 0 || len(m.body) < errorLen {
		return ""
	}
	rest := m.body[errorLen:]
	if size := align4(int(binary.NativeEndian.Uint32(m.body[4:]))) - unix.NLMSG_HDRLEN; m.flags&unix.NLM_F_CAPPED == 0 {
		if size < 0 || size > len(rest) {
			return ""
		}
		rest = rest[size:] // the message itself comes first
	}
	var notes []string
	for a := (attrs{rest: rest}); a.next(); {
		switch a.kind {
		case unix.NLMSGERR_ATTR_MSG:
			notes = append(notes, a.str())
		case unix.NLMSGERR_ATTR_OFFS:
			if len(a.data) == 4 {
				notes = append(notes, blamed(batch, m.seq, int(binary.NativeEndian.Uint32(a.data))))
			}
		}
	}
	return strings.Join(notes, ", ")
}

// errorLen is the size of struct nlmsgerr: a number, and the header of the
// message that it is about.
const errorLen = 4 + unix.NLMSG_HDRLEN

// blamed describes the attribute at an offset of the message with that number:
// by its text, where it has one.
func blamed(batch []byte, seq uint32, offset int) string {
	where := fmt.Sprintf("at byte %d", offset)
	for b := batch; len(b) > 0; {
		m, rest, err := nextMessage(b)
		if err != nil {
			return where
		}
		b = rest
		if at := offset - unix.NLMSG_HDRLEN; m.seq == seq && at >= 0 && at < len(m.body) {
			if a := (attrs{rest: m.body[at:]}); a.next() && strings.IndexFunc(a.str(), notPrintable) < 0 && len(a.data) > 1 {
				return "at " + strconv.Quote(a.str())
			}
			return where
		}
	}
	return where
}

func notPrintable(r rune) bool { return !strconv.IsPrint(r) }
