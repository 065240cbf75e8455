package main

import (
	"fmt"
	"slices"
	"time"
)

// contender is one way to reach a state, from the same start.
type contender struct {
	name  string
	setup []command // before, not measured
	run   []command // measured, as a whole
}

// once runs the contender in a fresh namespace.
func (c contender) once() (took cost, err error) {
	err = c.prepared(func(ns *namespace) error {
		took, err = runAll(ns, c.run)
		return err
	})
	return took, err
}

func (c contender) inspect() (m makeup, err error) {
	err = c.prepared(func(ns *namespace) error {
		m, err = inspect(ns, c.run)
		return err
	})
	return m, err
}

// prepared calls f with a fresh namespace in which the setup was done.
func (c contender) prepared(f func(*namespace) error) error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	defer ns.close()
	_, err = runAll(ns, c.setup)
	if err == nil {
		err = f(ns)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// race runs the contenders by turns, round after round, and returns the costs
// of each. What disturbs the machine disturbs neighbours alike, so ratios are
// taken within a round.
func race(rounds int, contenders []contender) ([][]cost, error) {
	costs := make([][]cost, len(contenders))
	for round := range rounds {
		for i := range contenders {
			i = (i + round) % len(contenders) // nobody always comes first
			c, err := contenders[i].once()
			if err != nil {
				return nil, err
			}
			costs[i] = append(costs[i], c)
		}
	}
	return costs, nil
}

// ratio is the median of the rounds' ratios of CPU time.
func ratio(a, b []cost) float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = float64(a[i].cpu) / float64(b[i].cpu)
	}
	return median(out)
}

func cpu(costs []cost) time.Duration {
	return medianOf(costs, func(c cost) time.Duration { return c.cpu })
}

func wall(costs []cost) time.Duration {
	return medianOf(costs, func(c cost) time.Duration { return c.wall })
}

func medianOf(costs []cost, of func(cost) time.Duration) time.Duration {
	out := make([]time.Duration, len(costs))
	for i, c := range costs {
		out[i] = of(c)
	}
	return median(out)
}

// median returns the middle value, the mean of the two middle ones of an even
// number, and 0 of none.
func median[T float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[mid-1] + sorted[mid]) / 2
	}
	return sorted[mid]
}
