package config

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParsePorts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, want string
	}{
		{"nothing", "", ""},
		{"only spaces", " \t", ""},
		{"one port", "8080", "8080"},
		{"the lowest and the highest", "0,65535", "0,65535"},
		{"every port", "0-65535", "0-65535"},
		{"spaces after commas, as people write", "4190, 8080", "4190,8080"},
		{"spaces everywhere", " 80 ,\t4000 - 4100 ", "80,4000-4100"},
		{"duplicates", "80,80,80", "80"},
		{"overlapping ranges become one", "100-200,150-250", "100-250"},
		{"a range within a range", "1-100,50-60,70", "1-100"},
		{"neighbours become one range", "80,82,81", "80-82"},
		{"touching ranges become one", "1-10,11-20", "1-20"},
		{"a gap of one stays", "1-10,12-20", "1-10,12-20"},
		{"a range of one port is a port", "80-80", "80"},
		{"out of order", "9000,80,443", "80,443,9000"},
		{"touching at the top", "65535,65534,0", "0,65534-65535"},
		{"leading zeros are decimal", "0080", "80"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, err := ParsePorts(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if set.String() != tc.want {
				t.Errorf("ParsePorts(%q) = %q, want %q", tc.text, set, tc.want)
			}
			if again, err := ParsePorts(set.String()); err != nil || !slices.Equal(again, set) {
				t.Errorf("%q does not parse back to itself: %v, %v", set, again, err)
			}
		})
	}
}

func TestParsePortsRejects(t *testing.T) {
	t.Parallel()
	const notPort = " is not a port: want a number from 0 to 65535 or a range such as 4000-4100"
	for _, tc := range []struct {
		name, text, want string
	}{
		{"too large", "99999", `"99999"` + notPort},
		{"just too large", "65536", `"65536"` + notPort},
		{"larger than any integer", "99999999999999999999", `"99999999999999999999"` + notPort},
		{"a word", "abc", `"abc"` + notPort},
		{"a bad entry among good ones", "80,abc,443", `"abc"` + notPort},
		{"an open range", "80-", `"80-"` + notPort},
		{"a negative port", "-80", `"-80"` + notPort},
		{"a range into nowhere", "80-99999", `"80-99999"` + notPort},
		{"three ends", "1-2-3", `"1-2-3"` + notPort},
		{"a sign", "+80", `"+80"` + notPort},
		{"hexadecimal", "0x50", `"0x50"` + notPort},
		{"a fraction", "80.5", `"80.5"` + notPort},
		{"spaces for commas", "80 443", `"80 443"` + notPort},
		{"a descending range", "200-100", `"200-100" is a descending range: want the lower port first, 100-200`},
		{"a line break in the error stays on one line", "8\n0", `"8\n0"` + notPort},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, err := ParsePorts(tc.text)
			if err == nil || err.Error() != tc.want || set != nil {
				t.Errorf("ParsePorts(%q) = %v, %v\nwant %s", tc.text, set, err, tc.want)
			}
		})
	}
}

func TestErrorDoesNotRepeatAMegabyte(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("é", 1<<20), "x" + strings.Repeat("é", 1<<20), strings.Repeat("80,", 1<<18) + "8x"} {
		_, err := ParsePorts(text)
		if err == nil || len(err.Error()) > 300 {
			t.Errorf("want a short error, got one of %d bytes", len(err.Error()))
		}
	}
}

func TestParsePort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1", "4143", "65535", " 80 "} {
		port, err := ParsePort(text)
		if err != nil || strconv.Itoa(int(port)) != strings.TrimSpace(text) {
			t.Errorf("ParsePort(%q) = %d, %v", text, port, err)
		}
	}
	for _, text := range []string{"0", "70000", "-1", "", "abc", "80-81", "80,81", "+80", "1e3"} {
		port, err := ParsePort(text)
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(text)+" is not a usable port: want a number from 1 to 65535") {
			t.Errorf("ParsePort(%q) = %d, %v", text, port, err)
		}
	}
}

func TestPortSetContainsAndUnion(t *testing.T) {
	t.Parallel()
	a := PortSet{{80, 80}, {4000, 4100}}
	b := PortSet{{81, 81}, {4050, 5000}, {65535, 65535}}
	union := a.Union(b, nil, PortSet{{9, 9}})
	if got, want := union.String(), "9,80-81,4000-5000,65535"; got != want {
		t.Errorf("union = %s, want %s", got, want)
	}
	if a.String() != "80,4000-4100" || b.String() != "81,4050-5000,65535" {
		t.Errorf("union changed what it was made of: %s, %s", a, b)
	}
	for port, want := range map[uint16]bool{
		0: false, 79: false, 80: true, 81: false, 3999: false, 4000: true, 4050: true, 4100: true, 4101: false, 65535: false,
	} {
		if a.Contains(port) != want {
			t.Errorf("%s contains %d: %v, want %v", a, port, !want, want)
		}
	}
	if PortSet(nil).Contains(0) || PortSet(nil).Union() != nil {
		t.Error("the empty set is not empty")
	}
}

func TestParseIDs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		"0":                     "0",
		"1000-1999, 2000":       "1000-2000",
		"4294967294,0,1":        "0-1,4294967294",
		"0-4294967294,1":        "0-4294967294",
		"4294967290-4294967294": "4294967290-4294967294",
	} {
		set, err := ParseIDs(text)
		if err != nil || set.String() != want {
			t.Errorf("ParseIDs(%q) = %q, %v, want %q", text, set, err, want)
		}
	}
	for text, want := range map[string]string{
		"-1":         `"-1" is not a user id: want a number from 0 to 4294967294 or a range such as 1000-1999`,
		"4294967295": `"4294967295" is not a user id: want a number from 0 to 4294967294 or a range such as 1000-1999`,
		"root":       `"root" is not a user id: want a number from 0 to 4294967294 or a range such as 1000-1999`,
		"2-1":        `"2-1" is a descending range: want the lower user id first, 1-2`,
	} {
		if set, err := ParseIDs(text); err == nil || err.Error() != want {
			t.Errorf("ParseIDs(%q) = %q, %v\nwant %s", text, set, err, want)
		}
	}
	set := IDSet{{0, 0}, {1000, 1999}}
	for id, want := range map[ID]bool{NoID: false, 0: true, 1: false, 999: false, 1000: true, 1999: true, 2000: false, MaxID: false} {
		if set.Contains(id) != want {
			t.Errorf("%s contains %s: %v, want %v", set, id, !want, want)
		}
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ID{"-1": NoID, "0": 0, "2102": 2102, " 7 ": 7, "4294967294": MaxID} {
		id, err := ParseID(text)
		if err != nil || id != want {
			t.Errorf("ParseID(%q) = %s, %v, want %s", text, id, err, want)
		}
		if again, err := ParseID(id.String()); err != nil || again != id {
			t.Errorf("%s does not parse back to itself: %s, %v", id, again, err)
		}
	}
	for _, text := range []string{"-5", "-2", "abc", "", "4294967295", "+1", "1.0", "0-1"} {
		id, err := ParseID(text)
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(text)+" is not a user or group id: want a number from 0 to 4294967294, or -1 for none") {
			t.Errorf("ParseID(%q) = %s, %v", text, id, err)
		}
	}
}
