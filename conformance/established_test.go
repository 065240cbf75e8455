package conformance

import "testing"

// TestEstablished looks at what happens to established connections when rules
// are applied again, taken over, and removed: rules decide a connection's first
// packet, so that what is established stays as it is, but without any rule the
// kernel tracks and translates nothing.
func TestEstablished(t *testing.T) {
	t.Parallel()
	for n, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, v, true, "--skip-ports", "9001")
			s.startEchoProxy()
			s.init()
			conns := s.hold()
			none := func(*held) bool { return false }
			for _, step := range []struct {
				what  string
				do    func()
				reset func(*held) bool // of those that are still alive
			}{
				{"an unchanged run", func() { s.init() }, none},
				{"a run under which they would go the other way", func() {
					s.flags = []string{"--skip-ports", "9002", "--skip-subnets", "10.9.0.0/16"}
					s.init()
				}, none},
				{"a run on another backend", func() {
					s.variant = variants()[(n+1)%3]
					s.need(s)
					s.init()
				}, none},
				{"and back", func() {
					s.variant = v
					s.init()
				}, none},
				{"switching IPv6 off", func() {
					s.ipv6 = false
					s.init()
				}, func(h *held) bool { return h.who == "proxy" && h.to.Addr().Is6() }},
				{"clear", s.clear, func(h *held) bool { return h.who == "proxy" }},
			} {
				step.do()
				conns = s.fates(conns, step.what, step.reset)
			}
		})
	}
}

// TestEstablishedBeforeTheFirstRun has connections that were made without any
// rule: conntrack sees them for the first time with their next packet, so that
// rules decide them then, which resets those that are redirected.
func TestEstablishedBeforeTheFirstRun(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, v, true, "--skip-ports", "9001")
			s.startEchoProxy()
			conns := s.hold()
			s.init()
			s.fates(conns, "the first run", func(h *held) bool { return h.port == alwaysRedirected })
		})
	}
}

// fates checks what has become of connections, and returns those that live.
func (s *stage) fates(conns []*held, after string, reset func(*held) bool) (alive []*held) {
	s.Helper()
	for _, h := range conns {
		want := "alive"
		if reset(h) {
			want = "reset"
		}
		got := h.fate()
		if got != want {
			s.Errorf("after %s, the connection of %v to %v, answered by %s: %s, want %s", after, h.flow, h.to, h.who, got, want)
		}
		if got == "alive" {
			alive = append(alive, h)
		}
		figures.add("established connections looked at", 1)
	}
	return alive
}
