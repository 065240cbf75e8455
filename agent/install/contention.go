package install

import "time"

// contention tells whether somebody else writes what this agent writes.
type contention struct {
	links []time.Time // entries that had to be put back, in the last minute
	wait  time.Duration
	on    bool
}

// More links in the window than this are a contention. It is over when nobody
// took the entry out for as long. Links then follow each other no faster than
// the wait, which doubles.
const (
	contentionWindow = time.Minute
	contentionLinks  = 5
	contentionWait   = time.Second
	contentionMost   = 30 * time.Second
)

// link counts an entry that had to be put back.
func (c *contention) link(now time.Time) {
	c.forget(now)
	c.links = append(c.links, now)
	if len(c.links) > contentionLinks {
		c.on = true
	}
	if c.on {
		c.wait = min(max(2*c.wait, contentionWait), contentionMost)
	}
}

// contended reports whether somebody else keeps taking the entry out.
func (c *contention) contended(now time.Time) bool {
	c.forget(now)
	return c.on
}

// next is when the entry may be put back at the earliest.
func (c *contention) next() time.Time {
	if !c.on {
		return time.Time{}
	}
	return c.links[len(c.links)-1].Add(c.wait)
}

func (c *contention) forget(now time.Time) {
	for len(c.links) > 0 && now.Sub(c.links[0]) >= contentionWindow {
		c.links = c.links[1:]
	}
	if len(c.links) == 0 {
		*c = contention{}
	}
}
