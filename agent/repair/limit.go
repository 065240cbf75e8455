package repair

import "time"

// Limiter bounds how fast pods of a node are deleted: one in ten seconds, two at
// once, and none for a while after ten in ten minutes. Whatever makes an agent
// think that more of them are broken is more likely to be the agent's mistake.
type Limiter struct {
	ended []time.Time // in the window
}

const (
	limitEvery  = 10 * time.Second
	limitBurst  = 2
	limitWindow = 10 * time.Minute
	limitMost   = 10
)

// Allow reports whether a pod may be ended now, and counts it if so.
func (l *Limiter) Allow(now time.Time) bool {
	for len(l.ended) > 0 && now.Sub(l.ended[0]) >= limitWindow {
		l.ended = l.ended[1:]
	}
	n := len(l.ended)
	if n >= limitMost || n >= limitBurst && now.Sub(l.ended[n-limitBurst]) < limitBurst*limitEvery {
		return false
	}
	l.ended = append(l.ended, now)
	return true
}
