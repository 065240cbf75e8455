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

// The release lines that differ.
const (
	firstOpaque Release = 10 // the first with opaque ports
	moreOpaque  Release = 11
	nativeFirst Release = 20 // the first whose proxies are native sidecars by default
	firstNative Release = 15 // the first that can make the proxy a native sidecar
	betaNative  Release = 19 // the first with the annotation of config.beta
	newest      Release = 20
)

// edges returns the months, counted from year 0, in which the release lines
// from firstOpaque on were published (linkerd.io/releases).
func edges() []int {
	month := func(year, month int) int { return 12*year + month }
	return []int{month(21, 3), month(21, 9), month(22, 8), month(23, 4), month(23, 8), month(24, 2), month(24, 8),
		month(24, 12), month(25, 4), month(25, 10), month(26, 6)}
}

// ParseRelease reads a release: "2.20", "2.14.1", "stable-2.14.1", or an edge
// release such as "edge-26.8.1", which counts as the newest release line at
// that time.
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
		at := 12*numbers[0] + numbers[1]
		for i, month := range slices.Backward(edges()) {
			if at >= month {
				return firstOpaque + Release(i), nil
			}
		}
	case channel != "edge" && len(numbers) > 1 && len(numbers) <= 3 && numbers[0] == 2:
		if r := Release(numbers[1]); r >= firstOpaque && r <= newest {
			return r, nil
		}
	}
	return 0, unknownRelease(text)
}

func unknownRelease(text string) error {
	return fmt.Errorf("unknown release of Linkerd %q: want 2.%d to 2.%d, or an edge release such as edge-26.8.1", text, firstOpaque, newest)
}

// String returns the release line: "2.20".
func (r Release) String() string { return "2." + strconv.Itoa(int(r)) }

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

// nativeKey returns the annotation that makes the proxy a native sidecar, empty
// before there were any.
func (r Release) nativeKey() string {
	switch {
	case r < firstNative:
		return ""
	case r < betaNative:
		return pods.NativeAlpha
	case r < nativeFirst:
		return pods.NativeBeta
	}
	return pods.Native
}

// NativeSidecars reports whether the proxy is a native sidecar where no
// annotation says so (proxy.nativeSidecar).
func (r Release) NativeSidecars() bool { return r >= nativeFirst }
