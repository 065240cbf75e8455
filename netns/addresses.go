package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrManyAddresses is wrapped by the error of Addresses where there are more than
// were asked for.
var ErrManyAddresses = errors.New("there are more")

// Addresses returns the addresses of the calling thread's network namespace, those
// of loopback and link-local ones left out. Most bounds how many there may be: who
// may add addresses to a namespace decides how many it has. Call it inside Do.
func Addresses(most int) ([]netip.Addr, error) {
	list, err := dumpAddresses(most)
	if err != nil {
		return list, fmt.Errorf("list the addresses: %w", err)
	}
	return list, nil
}

// dumpAddresses asks rtnetlink(7). Package net would read however many there are.
func dumpAddresses(most int) (list []netip.Addr, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) // which ends the dump, too
	request := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfAddrmsg)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], unix.RTM_GETADDR)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 32<<10) // a datagram of a dump is no larger (netlink_dump)
	for seen := 0; ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return list, err
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return list, err
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return list, nil
			case unix.NLMSG_ERROR:
				return list, netlinkError(m.Data)
			case unix.RTM_NEWADDR:
			default:
				continue
			}
			if seen++; seen > most {
				return list, fmt.Errorf("%w than %d", ErrManyAddresses, most)
			}
			addr, err := address(&m)
			if err != nil {
				return list, err
			}
			if addr.IsValid() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
				list = append(list, addr)
			}
		}
	}
}

// netlinkError decodes struct nlmsgerr.
func netlinkError(data []byte) error {
	if len(data) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(data)))
}

// address returns the namespace's own address of an RTM_NEWADDR: IFA_LOCAL where
// there is one, since IFA_ADDRESS is then the other end's (linux/if_addr.h).
func address(m *syscall.NetlinkMessage) (addr netip.Addr, err error) {
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return addr, err
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.IFA_LOCAL || a.Attr.Type == unix.IFA_ADDRESS && !addr.IsValid() {
			addr, _ = netip.AddrFromSlice(a.Value) // of another family's length: none
		}
	}
	return addr, nil
}
