package explain

import (
	"io"

	"shunt/apply"
)

// Difference is a comparison of live rules with a plan, for people and programs.
type Difference struct {
	Backend    apply.ID       `json:"backend"`
	Equal      bool           `json:"equal"`
	SameEffect bool           `json:"sameEffect"`
	Summary    string         `json:"summary"`
	Changes    []apply.Change `json:"changes"`

	text string
}

// NewDifference describes a comparison.
func NewDifference(c *apply.Comparison) *Difference {
	return &Difference{c.Backend, c.Equal(), c.Equal() || c.SameEffect(), c.Summary(), c.Changes(), c.Text()}
}

// None reports whether there is no difference or, with semantic, one of spelling
// only.
func (d *Difference) None(semantic bool) bool { return d.Equal || semantic && d.SameEffect }

// WriteText writes the summary and the difference; nothing, as diff(1), if there
// is none.
func (d *Difference) WriteText(w io.Writer, on Screen, semantic bool) error {
	text := d.Summary + "\n" + d.text
	switch {
	case d.Equal:
		return nil
	case d.SameEffect && semantic:
		text = "same effect, other spelling: " + d.Summary + "\n"
	case d.SameEffect:
		text = "same effect, other spelling (--semantic ignores that): " + text
	}
	_, err := io.WriteString(w, on.Diff(text))
	return err
}
