package netns

import "testing"

func TestGlobalIPv6(t *testing.T) {
	t.Parallel()
	const (
		loopback  = "00000000000000000000000000000001 01 80 10 80       lo\n"
		linkLocal = "fe80000000000000a8bbccfffeddeeff 02 40 20 80     eth0\n"
		unique    = "fd000200000100000000000000000001 0b 40 00 82     eth0\n"
		onLo      = "20010db8000000000000000000000001 01 80 00 80       lo\n"
	)
	for _, test := range []struct {
		name, text string
		want, bad  bool
	}{
		{"no address, as with disable_ipv6", "", false, false},
		{"loopback", loopback, false, false},
		{"loopback and link-local", loopback + linkLocal, false, false},
		{"a unique local address", loopback + linkLocal + unique, true, false},
		{"a global address on lo", onLo, true, false},
		{"the last line without its end", loopback + unique[:len(unique)-1], true, false},
		{"an IPv4 address", "7f000001 01 80 10 80 lo\n", false, true},
		{"no hexadecimal digits", "loopback 01 80 10 80 lo\n", false, true},
		{"an empty line", loopback + "\n", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := globalIPv6(test.text)
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("got %v, error %v, want %v", got, err, test.want)
			}
		})
	}
}
