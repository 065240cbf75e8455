// Package lists says which ports the benchmarks skip, so that shunt and the
// minimal program write the same rules.
package lists

// Standard is the size that stands for shunt's standard configuration.
const Standard = 0

// Range is an inclusive range of ports.
type Range struct{ First, Last uint16 }

// Inbound returns n single ports that are skipped inbound; Standard: the
// standard configuration's, as merged ranges.
func Inbound(n int) []Range {
	if n == Standard {
		return []Range{{4190, 4191}, {4567, 4568}}
	}
	return spread(10000, n)
}

// Outbound returns n single ports that are skipped outbound.
func Outbound(n int) []Range {
	if n == Standard {
		return []Range{{4567, 4568}}
	}
	return spread(34000, n)
}

// spread leaves gaps, because shunt joins ranges that touch.
func spread(first, n int) []Range {
	out := make([]Range, n)
	for i := range out {
		port := uint16(first + 4*i)
		out[i] = Range{port, port}
	}
	return out
}
