package nftables

import (
	"context"
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

// socket is a netlink socket in one network namespace. A Conn of
// mdlayher/netlink would not do: it returns the first error of a batch without
// the number of the message that it is about, reads a dump to its end, however
// long that is, and does not show that one was interrupted.
type socket struct {
	fd     int    // -1: to be opened again
	cookie uint64 // of the namespace; 0: not known
	seq    uint32

	// Memory that one request leaves to the next.
	buf    []byte
	bounds []bound
}

// dial opens a socket in the calling thread's network namespace.
func dial() (*socket, error) {
	s := &socket{fd: -1}
	return s, s.ready()
}

// ready makes sure that the socket is open. One that was closed to end a dump
// (see request) is opened again, and must be in the namespace of the first.
func (s *socket) ready() error {
	if s.fd >= 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	tv := unix.NsecToTimeval(int64(replyTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return fmt.Errorf("set the netlink socket's timeout: %w", err)
	}
	// Ask for errors without a copy of the message that they are about, so that
	// they fit the buffer, and with the kernel's note on what is to blame. Kernels
	// before 4.3 and 4.12 lack these options and do the opposite.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		cookie = 0 // before Linux 5.14
	}
	if s.cookie != 0 && s.cookie != cookie {
		unix.Close(fd)
		return errors.New("the calling thread is not in the network namespace that nftables was opened in")
	}
	s.fd, s.cookie = fd, cookie
	return nil
}

func (s *socket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// visit is called for one message of an answer: the family of its header
// (struct nfgenmsg) and the attributes behind it, valid until it returns.
type visit func(family byte, body []byte) error

// dump requests all objects of a kind and visits each. A dump that the kernel
// flags as interrupted ends in errInterrupted.
func (s *socket) dump(ctx context.Context, msg uint16, family byte, attrs []byte, each visit) error {
	return s.request(ctx, msg, family, unix.NLM_F_DUMP, attrs, each)
}

// request sends one message of the nftables subsystem and visits the answer. If
// the answer is not read to its end, the socket is closed: until then the kernel
// would begin no other dump, and reading the rest could take long.
func (s *socket) request(ctx context.Context, msg uint16, family byte, flags uint16, attrs []byte, each visit) error {
	if err := s.ready(); err != nil {
		return err
	}
	s.seq++
	if err := s.send(msg, family, flags|unix.NLM_F_REQUEST, attrs); err != nil {
		return err
	}
	ended, err := s.answer(ctx, each)
	if !ended {
		s.close()
	}
	return err
}

// answer visits the messages of an answer, and reports whether it was read to its
// end.
func (s *socket) answer(ctx context.Context, each visit) (ended bool, err error) {
	interrupted := false
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, flags, err := s.receive()
		if err != nil {
			return false, err
		}
		if flags&unix.MSG_TRUNC != 0 {
			return false, fmt.Errorf("a netlink message is larger than %d bytes", readBuffer)
		}
		for b := s.buf[:n]; len(b) > 0; {
			m, rest, err := nextMessage(b)
			if err != nil {
				return false, err
			}
			b = rest
			if m.seq != s.seq {
				continue
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if err := m.errno(); err != nil || !interrupted {
					return true, err
				}
				return true, errInterrupted
			case unix.NLMSG_NOOP:
			default:
				if m.kind>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.body) < nfgenmsgLen {
					return false, fmt.Errorf("unexpected netlink message of type %#x", m.kind)
				}
				if err := each(m.body[0], m.body[nfgenmsgLen:]); err != nil {
					return false, err
				}
				if m.flags&unix.NLM_F_MULTI == 0 {
					return true, nil
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

func (s *socket) receive() (n, flags int, err error) {
	for {
		n, _, flags, _, err = unix.Recvmsg(s.fd, s.buffer(), nil, 0)
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

func (s *socket) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, readBuffer)
	}
	return s.buf
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

func align4(n int) int { return (n + 3) &^ 3 }
