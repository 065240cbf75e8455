package conformance

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

func ownerScenarios() []scenario {
	const app, otherGID = 1000, 3000
	return []scenario{
		{
			name:   "proxy-uid",
			reason: "what the proxy itself sends leaves, or it would loop back to it forever",
			flags:  []string{"--proxy-uid", "2102"},
			flows: all(
				outbound(bypassed, 80, 443).as(2102, 0), outbound(bypassed, 80).as(2102, 2102),
				outbound(redirected, 80, 443).as(app, app), outbound(redirected, 80).as(0, 0),
				outbound(redirected, 80).as(2101, 0), outbound(redirected, 80).as(2103, 2102),
				inbound(redirected, 80).as(2102, 2102),
			),
		},
		{
			name:   "proxy-gid",
			reason: "the proxy can be told by its group alone",
			flags:  []string{"--proxy-uid", "-1", "--proxy-gid", "3000"},
			flows: all(
				outbound(bypassed, 80).as(0, otherGID), outbound(bypassed, 80).as(app, otherGID),
				outbound(redirected, 80).as(2102, 2102), outbound(redirected, 80).as(3000, 0), outbound(redirected, 80).as(app, 3001),
			),
		},
		{
			name:   "proxy-uid-and-gid",
			reason: "either of the two is enough",
			flags:  []string{"--proxy-uid", "2102", "--proxy-gid", "3000"},
			flows: all(
				outbound(bypassed, 80).as(2102, 0), outbound(bypassed, 80).as(app, otherGID), outbound(bypassed, 80).as(2102, otherGID),
				outbound(redirected, 80).as(app, app), outbound(redirected, 80).as(otherGID, 2102),
			),
		},
		{
			name:   "proxy-uid-0",
			reason: "uid 0 is exempt when it is asked for; Linkerd passes over it and loops",
			flags:  []string{"--proxy-uid", "0"},
			flows: all(
				outbound(bypassed, 80).as(0, 0), outbound(bypassed, 80).as(0, app),
				outbound(redirected, 80).as(app, 0), outbound(redirected, 80).as(2102, 2102),
			),
		},
		{
			name:   "proxy-gid-0",
			reason: "gid 0 exempts nothing: every process of many images has it",
			flags:  []string{"--proxy-uid", "2102", "--proxy-gid", "0"},
			flows:  all(outbound(redirected, 80).as(app, 0), outbound(redirected, 80).as(0, 0), outbound(bypassed, 80).as(2102, 0)),
		},
		{
			name:   "highest-ids",
			reason: "4294967294 is the highest id there is",
			flags:  []string{"--proxy-uid", "4294967294", "--proxy-gid", "4294967293"},
			flows: all(
				outbound(bypassed, 80).as(4294967294, 0), outbound(bypassed, 80).as(app, 4294967293),
				outbound(redirected, 80).as(4294967293, 4294967294),
			),
		},
		{
			name:   "skip-outbound-uids",
			reason: "users in the list, ranges with their ends, talk to the network directly",
			flags:  []string{"--skip-outbound-uids", "1000-1010,5000,4294967290-4294967294"},
			flows: all(
				outbound(bypassed, 80).as(1000, 0), outbound(bypassed, 80).as(1005, 1), outbound(bypassed, 80).as(1010, 0),
				outbound(bypassed, 80).as(5000, 0), outbound(bypassed, 80).as(4294967290, 0), outbound(bypassed, 80).as(4294967294, 0),
				outbound(bypassed, 80).as(2102, 0),
				outbound(redirected, 80).as(999, 0), outbound(redirected, 80).as(1011, 1000), outbound(redirected, 80).as(4999, 0),
				outbound(redirected, 80).as(5001, 0), outbound(redirected, 80).as(4294967289, 0), outbound(redirected, 80).as(0, 0),
				inbound(redirected, 80).as(1000, 0),
			),
		},
		{
			name:   "skip-outbound-uid-0",
			reason: "a list of users may begin at root",
			flags:  []string{"--skip-outbound-uids", "0-1"},
			flows: all(
				outbound(bypassed, 80).as(0, 0), outbound(bypassed, 80).as(1, 1),
				outbound(redirected, 80).as(2, 0), outbound(redirected, 80).as(app, app),
			),
		},
	}
}
