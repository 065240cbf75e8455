package main

import (
	"fmt"
	"time"
)

// contest is a comparison of shunt, the first contender, with others.
type contest struct {
	rules, doing string
	contenders   []contender
	limits       []against
}

// against is a limit on shunt's CPU time as a multiple of a contender's.
type against struct {
	name string
	most float64
}

// costHead are the columns of a table of costs.
func costHead() []string {
	return []string{"rules", "doing", "program", "CPU", "wall", "memory", "processes", "commits", "CPU as a multiple of shunt's"}
}

// hold measures the contest, adds its rows to a table of costs, and its limits
// to the report.
func (b *bench) hold(t *table, c contest) error {
	costs, err := race(b.rounds, c.contenders)
	if err != nil {
		return err
	}
	for i, one := range c.contenders {
		m, err := one.inspect()
		if err != nil {
			return err
		}
		multiple := ""
		if i > 0 {
			multiple = fmt.Sprintf("%.2f", ratio(costs[i], costs[0]))
		}
		commits := fmt.Sprint(m.commits)
		if m.commits < 0 {
			commits = "?"
		}
		t.rows = append(t.rows, []string{c.rules, c.doing, one.name, milliseconds(cpu(costs[i])), milliseconds(wall(costs[i])),
			fmt.Sprintf("%.1f MiB", float64(m.peak)/1024), fmt.Sprint(m.processes), commits, multiple})
		for _, l := range c.limits {
			if l.name == one.name {
				b.limits = append(b.limits, limit{
					what: fmt.Sprintf("%s, %s, %s: against %s", t.title, c.rules, c.doing, l.name),
					most: l.most, is: ratio(costs[0], costs[i]),
				})
			}
		}
	}
	b.progress("%s, %s, %s", t.title, c.rules, c.doing)
	return nil
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
