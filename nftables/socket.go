package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// errInterrupted says that the rules changed while they were dumped.
var errInterrupted = errors.New("the kernel's rules changed while they were read")

// replyTimeout bounds the wait for one answer. The kernel queues its answer
// before the request's system call returns, so waiting at all is a fault.
const replyTimeout = 10 * time.Second

// readBuffer is the size of one receive. The kernel packs a dump into
// datagrams of at most 32 KiB, and only as large as the reader's last buffer
// (netlink_dump in net/netlink/af_netlink.c), so a large one saves calls.
const readBuffer = 64 << 10

// socket is a netlink socket of ours. That of google/nftables checks neither
// the interrupted flag of a dump nor a decoder's error, receives in small
// pieces, and needs the runtime's poller and a buffer of megabytes to write.
type socket struct {
	fd  int
	seq uint32

	// Memory that one request leaves to the next.
	buf    []byte
	bounds []bound
}

// dial opens a socket in the calling thread's network namespace.
func dial() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	tv := unix.NsecToTimeval(int64(replyTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set the netlink socket's timeout: %w", err)
	}
	// Errors come without a copy of the message that they are about, so that
	// they fit the buffer. Before Linux 4.3, which has no such option, they
	// come with it.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &socket{fd: fd, bounds: make([]bound, 0, 1<<13)}, nil
}

func (s *socket) close() {
	unix.Close(s.fd)
}

// visit is called for one message of an answer: the family of its header
// (struct nfgenmsg) and the attributes behind it, valid until it returns.
type visit func(family byte, body []byte) error

// dump requests all objects of a kind and visits each. A dump that the kernel
// flags as interrupted ends in errInterrupted.
func (s *socket) dump(msg uint16, family byte, attrs []byte, each visit) error {
	return s.request(msg, family, unix.NLM_F_DUMP, attrs, each)
}

// request sends one message of the nftables subsystem and visits the answer.
func (s *socket) request(msg uint16, family byte, flags uint16, attrs []byte, each visit) error {
	s.seq++
	if err := s.send(msg, family, flags|unix.NLM_F_REQUEST, attrs); err != nil {
		return err
	}
	if s.buf == nil {
		s.buf = make([]byte, readBuffer)
	}
	interrupted := false
	for {
		n, flags, err := s.receive()
		if err != nil {
			return err
		}
		if flags&unix.MSG_TRUNC != 0 {
			return fmt.Errorf("a netlink message is larger than %d bytes", readBuffer)
		}
		for b := s.buf[:n]; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				return err
			}
			b = rest
			if m.seq != s.seq {
				continue // a late answer to a request that failed half-way
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE:
				if err := m.errno(); err != nil {
					return err
				}
				if interrupted {
					return errInterrupted
				}
				return nil
			case unix.NLMSG_ERROR:
				return m.errno()
			case unix.NLMSG_NOOP:
			default:
				if m.kind>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.body) < nfgenmsgLen {
					return fmt.Errorf("unexpected netlink message of type %#x", m.kind)
				}
				if err := each(m.body[0], m.body[nfgenmsgLen:]); err != nil {
					return err
				}
				if m.flags&unix.NLM_F_MULTI == 0 {
					return nil
				}
			}
		}
	}
}

func (s *socket) send(msg uint16, family byte, flags uint16, attrs []byte) error {
	b := make([]byte, unix.NLMSG_HDRLEN+nfgenmsgLen, unix.NLMSG_HDRLEN+nfgenmsgLen+len(attrs))
	binary.NativeEndian.PutUint32(b[0:], uint32(cap(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_NFTABLES<<8|msg)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], s.seq)
	b[unix.NLMSG_HDRLEN] = family
	return s.write(append(b, attrs...))
}

func (s *socket) write(b []byte) error {
	for {
		err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return err
		}
	}
}

// commit sends a batch. When the send returns, the kernel has carried it out,
// or has queued an error for each message that it refused.
func (s *socket) commit(x *batch) error {
	x.end()
	s.seq++ // the batch's messages have number 0, and answer no request
	err := s.write(x.buf)
	if err == unix.EMSGSIZE {
		s.enlarge(len(x.buf))
		err = s.write(x.buf)
	}
	if err != nil {
		return err
	}
	if s.buf == nil {
		s.buf = make([]byte, readBuffer)
	}
	var refused error // the first
	for {
		n, _, _, _, err := unix.Recvmsg(s.fd, s.buf, nil, unix.MSG_DONTWAIT)
		switch err {
		case nil:
		case unix.EINTR:
			continue
		case unix.EAGAIN: // all is read
			return refused
		default:
			return errors.Join(refused, err)
		}
		for b := s.buf[:n]; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				return err
			}
			if b = rest; m.kind == unix.NLMSG_ERROR && refused == nil {
				refused = m.refusal()
			}
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

func (s *socket) receive() (n, flags int, err error) {
	for {
		n, _, flags, _, err = unix.Recvmsg(s.fd, s.buf, nil, 0)
		switch err {
		case nil:
			return n, flags, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, 0, fmt.Errorf("no answer from the kernel within %s", replyTimeout)
		default:
			return 0, 0, err
		}
	}
}

// nfgenmsgLen is the size of struct nfgenmsg (linux/netfilter/nfnetlink.h).
const nfgenmsgLen = 4

type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < unix.NLMSG_HDRLEN {
		return m, nil, fmt.Errorf("truncated netlink message: %d bytes", len(b))
	}
	size := int(binary.NativeEndian.Uint32(b))
	if size < unix.NLMSG_HDRLEN || size > len(b) {
		return m, nil, fmt.Errorf("netlink message of %d bytes in a datagram with %d left", size, len(b))
	}
	m = message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[unix.NLMSG_HDRLEN:size],
	}
	return m, b[min(align4(size), len(b)):], nil
}

// errno returns the error that an NLMSG_ERROR or NLMSG_DONE carries, if any.
func (m message) errno() error {
	if len(m.body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(m.body)); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}

// refusal returns the error that an NLMSG_ERROR carries, with the kind of the
// message that it is about (struct nlmsgerr: the number, then that message's
// header).
func (m message) refusal() error {
	err := m.errno()
	if err == nil || len(m.body) < 4+unix.NLMSG_HDRLEN {
		return err
	}
	kind := binary.NativeEndian.Uint16(m.body[4+4:])
	for _, k := range []struct {
		kind uint16
		what string
	}{
		{unix.NFT_MSG_NEWTABLE, "add the table"},
		{unix.NFT_MSG_NEWSET, "add a set"},
		{unix.NFT_MSG_NEWSETELEM, "add a set's elements"},
		{unix.NFT_MSG_DELSETELEM, "delete a set's elements"},
		{unix.NFT_MSG_NEWCHAIN, "add a chain"},
		{unix.NFT_MSG_NEWRULE, "add a rule"},
	} {
		if kind == unix.NFNL_SUBSYS_NFTABLES<<8|k.kind {
			return fmt.Errorf("%s: %w", k.what, err)
		}
	}
	return err
}

func align4(n int) int { return (n + 3) &^ 3 }
