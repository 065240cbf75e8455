package lint

import (
	"fmt"
	"strconv"
	"strings"

	"shunt/config"
)

// Release is a release line of Linkerd, 2.x, by its x.
type Release int

// DefaultRelease is the one that is meant where none is named.
const DefaultRelease = "2.20"

// The release lines that differ.
const (
	firstOpaque Release = 10 // the first with opaque ports
	moreOpaque  Release = 11
	nativeFirst Release = 20 // the first whose proxies are native sidecars by default
)

// ParseRelease reads a release: "2.20", "2.14.1", "stable-2.14.1".
func ParseRelease(text string) (Release, error) {
	number := text[strings.LastIndexByte(text, '-')+1:]
	parts := strings.SplitN(number, ".", 3)
	if len(parts) > 1 && strings.TrimPrefix(parts[0], "v") == "2" {
		if minor, err := strconv.ParseUint(parts[1], 10, 16); err == nil && Release(minor) >= firstOpaque {
			return Release(minor), nil
		}
	}
	return 0, fmt.Errorf("unknown release of Linkerd %q: want 2.10 or later, such as %s", text, DefaultRelease)
}

// OpaquePorts returns the ports that are opaque where no annotation says which
// are (proxy.opaquePorts of Linkerd's chart).
func (r Release) OpaquePorts() config.PortSet {
	list := "25,587,3306,4444,5432,6379,9300,11211"
	if r < moreOpaque {
		list = "25,443,587,3306,5432,11211"
	}
	set, _ := config.ParsePorts(list)
	return set
}

// NativeSidecars reports whether the proxy is a native sidecar where no
// annotation says so (proxy.nativeSidecar).
func (r Release) NativeSidecars() bool { return r >= nativeFirst }
