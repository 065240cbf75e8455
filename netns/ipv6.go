package netns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// HasGlobalIPv6 reports whether the calling thread's network namespace has an
// IPv6 address other than link-local ones and ::1, so that traffic can reach
// it or leave it over IPv6. Call it inside Do. A kernel without IPv6 has none.
func HasGlobalIPv6() (bool, error) {
	const file = "/proc/thread-self/net/if_inet6"
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // IPv6 is not built, not loaded or off (ipv6.disable=1)
	}
	if err != nil {
		return false, fmt.Errorf("list IPv6 addresses: %w", err)
	}
	has, err := globalIPv6(string(text))
	if err != nil {
		return false, fmt.Errorf("list IPv6 addresses: %s: %w", file, err)
	}
	return has, nil
}

// globalIPv6 looks through the text of if_inet6: a line for each address, that
// begins with its 32 hexadecimal digits (net/ipv6/addrconf.c, if6_seq_show).
func globalIPv6(text string) (bool, error) {
	for line := range strings.Lines(text) {
		digits, _, _ := strings.Cut(line, " ")
		b, err := hex.DecodeString(digits)
		addr, ok := netip.AddrFromSlice(b)
		if err != nil || !ok || !addr.Is6() {
			return false, fmt.Errorf("%q does not begin with an address", strings.TrimSpace(line))
		}
		if !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
			return true, nil
		}
	}
	return false, nil
}
