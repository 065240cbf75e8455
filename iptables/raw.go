package iptables

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// The socket options that legacy iptables reads a table with: IPT_SO_GET_INFO
// and IPT_SO_GET_ENTRIES, with the same numbers for IPv6
// (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h).
const (
	soGetInfo    = 64
	soGetEntries = 65
)

// Sizes and offsets of struct ipt_getinfo and struct ipt_get_entries, on 64-bit
// systems; those for IPv6 are the same.
const (
	tableNameSize  = 32
	infoHookEntry  = 36
	infoUnderflow  = 56
	infoSize       = 80
	infoLength     = 84
	entriesSize    = 32
	entriesContent = 40
)

// maxEntries bounds how large a table is read: some 100,000 rules.
const maxEntries = 64 << 20

// getEntries reads the legacy nat table of the calling thread's namespace. The
// chains' places and the rules come by two calls, so it is read again if the
// places changed in between. Like every way to ask for the table, it makes it
// if it is not there. It needs CAP_NET_ADMIN, and a 64-bit system: the layout is
// another where 64-bit numbers take four bytes' alignment.
func getEntries(fam plan.Family) (*entries, error) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return nil, unix.ENOTSUP
	}
	domain, level := unix.AF_INET, unix.SOL_IP
	if fam == plan.IPv6 {
		domain, level = unix.AF_INET6, unix.SOL_IPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	for range maxTries {
		info, err := getInfo(fd, level)
		if err != nil {
			return nil, err
		}
		size := binary.NativeEndian.Uint32(info[infoSize:])
		if size > maxEntries {
			return nil, unix.E2BIG
		}
		b := make([]byte, entriesContent+int(size))
		copy(b, info[:tableNameSize])
		binary.NativeEndian.PutUint32(b[entriesSize:], size)
		switch err := getsockopt(fd, level, soGetEntries, b); err {
		case nil:
		case unix.EAGAIN:
			continue // its size changed in between
		default:
			return nil, fmt.Errorf("IPT_SO_GET_ENTRIES: %w", err)
		}
		again, err := getInfo(fd, level)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(info, again) {
			continue
		}
		t := &entries{data: b[entriesContent:]}
		for i, hook := range [2]int{unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_OUT} {
			t.start[i] = binary.NativeEndian.Uint32(info[infoHookEntry+4*hook:])
			t.end[i] = binary.NativeEndian.Uint32(info[infoUnderflow+4*hook:])
		}
		return t, nil
	}
	return nil, unix.EAGAIN
}

// getInfo returns a struct ipt_getinfo: where the table's chains are.
func getInfo(fd, level int) ([]byte, error) {
	info := make([]byte, infoLength)
	copy(info, "nat")
	if err := getsockopt(fd, level, soGetInfo, info); err != nil {
		return nil, fmt.Errorf("IPT_SO_GET_INFO: %w", err)
	}
	return info, nil
}

// maxTries bounds how often a read is repeated while others change the table.
const maxTries = 20

// getsockopt fills b, all of it, or fails.
func getsockopt(fd, level, option int, b []byte) error {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	switch {
	case errno != 0:
		return errno
	case int(size) != len(b):
		return unix.EAGAIN
	}
	return nil
}
