package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shunt/config"
	"shunt/pods"
)

// Release is a release line of Linkerd, 2.x, by its x.
type Release int

// DefaultRelease is assumed if none is named.
const DefaultRelease = "2.20"

// The release lines in which something changed that lint looks at.
const (
	opaqueFirst    Release = 10 // opaque ports
	podAddress     Release = 11 // the proxy connects to the pod's address, not to 127.0.0.1; 443 is not opaque
	tokensMounted  Release = 12 // the injector mounts a token of its own
	nativeAlpha    Release = 15 // native sidecars, by config.alpha
	shutdownAsked  Release = 16 // the proxy's /shutdown is off unless asked for
	throughInbound Release = 18 // meshed clients connect to the proxy's inbound port, whatever the port
	nativeBeta     Release = 19 // native sidecars by config.beta
	nativeDefault  Release = 20 // native sidecars by default, and by config
	newest         Release = 20
)

// edges returns the edge release from which on each release line, from 2.10,
// is what lint takes it for: year, month, number. Where a change above made the
// line, it is the first edge release with that commit of linkerd2; for the
// others the newest that stable-2.x.0 contains or that the tag version-2.x is
// (linkerd/website, linkerd.io/data/versions.yaml).
func edges() [][]int {
	return [][]int{
		{21, 2, 4},  // 2.10: 07d5071cc, default skip ports become opaque
		{21, 9, 3},  // 2.11: 99d581923, no longer 443; CHANGES.md, "targets the original address"
		{21, 11, 1}, // 2.12: 92421d047, serviceAccountTokenProjection
		{23, 4, 1},  // 2.13: stable-2.13.0
		{23, 8, 3},  // 2.14: stable-2.14.0
		{23, 11, 4}, // 2.15: 1b37e1989, config.alpha.linkerd.io/proxy-enable-native-sidecar
		{24, 6, 2},  // 2.16: 35fb2d6d1, enableShutdownEndpoint and its annotation
		{24, 11, 8}, // 2.17: version-2.17
		{25, 3, 2},  // 2.18: 5d0275e3f, outboundTransportMode is transport-header
		{25, 10, 2}, // 2.19: d3788f6a6, config.beta
		{26, 5, 2},  // 2.20: 009a25fa3, config, and on by default
	}
}

// ParseRelease reads a release: "2.20", "2.14.1", "stable-2.14.1", or an edge
// release such as "edge-26.8.1", which counts as the newest release line whose
// defaults it has.
func ParseRelease(text string) (Release, error) {
	channel, number, ok := strings.Cut(text, "-")
	if !ok {
		channel, number = "", text
	}
	parts := strings.Split(strings.TrimPrefix(number, "v"), ".")
	numbers := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0, unknownRelease(text)
		}
		numbers[i] = int(n)
	}
	switch {
	case channel == "edge" && len(numbers) == 3 && numbers[1] >= 1 && numbers[1] <= 12 && numbers[0] < 100:
		for i, first := range slices.Backward(edges()) {
			if slices.Compare(numbers, first) >= 0 {
				return opaqueFirst + Release(i), nil
			}
		}
	case channel != "edge" && len(numbers) > 1 && len(numbers) <= 3 && numbers[0] == 2:
		if r := Release(numbers[1]); r >= opaqueFirst && r <= newest {
			return r, nil
		}
	}
	return 0, unknownRelease(text)
}

func unknownRelease(text string) error {
	return fmt.Errorf("unknown release of Linkerd %q: want 2.%d to 2.%d, or an edge release such as edge-26.8.1", text, opaqueFirst, newest)
}

// String returns the release line: "2.20".
func (r Release) String() string { return "2." + strconv.Itoa(int(r)) }

// OpaquePorts returns the ports that are opaque where no annotation says which
// are (proxy.opaquePorts of Linkerd's chart).
func (r Release) OpaquePorts() config.PortSet {
	list := "25,587,3306,4444,5432,6379,9300,11211"
	if r < podAddress {
		list = "25,443,587,3306,5432,11211"
	}
	set, _ := config.ParsePorts(list)
	return set
}

// nativeKeys returns the annotations that make the proxy a native sidecar, in
// the order in which the injector looks (linkerd2, pkg/inject/inject.go).
func (r Release) nativeKeys() []string {
	switch {
	case r < nativeAlpha:
		return nil
	case r < nativeBeta:
		return []string{pods.NativeAlpha}
	case r < nativeDefault:
		return []string{pods.NativeBeta, pods.NativeAlpha}
	}
	return []string{pods.Native, pods.NativeBeta, pods.NativeAlpha}
}

// NativeSidecars reports whether the proxy is a native sidecar where no
// annotation says so (proxy.nativeSidecar).
func (r Release) NativeSidecars() bool { return r >= nativeDefault }
