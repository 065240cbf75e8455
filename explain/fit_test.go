package explain

import "testing"

func TestATableFitsTheScreen(t *testing.T) {
	t.Parallel()
	const table = `RULE      MATCH  WHY
1 one     tcp    the first of two reasons is longer
2 second  tcp    short

A sentence below the table that is too long.
`
	for _, tc := range []struct {
		width int
		want  string
	}{
		{0, table},
		{80, table},
		{50, `RULE      MATCH  WHY
1 one     tcp    the first of two reasons is
                 longer
2 second  tcp    short

A sentence below the table that is too long.
`},
		{24, `RULE      MATCH  WHY
1 one     tcp
    the first of two
    reasons is longer
2 second  tcp    short

A sentence below the
table that is too long.
`},
	} {
		if got := (Screen{Width: tc.width}).Fit(table); got != tc.want {
			t.Errorf("%d columns:\n%s\nwant\n%s", tc.width, got, tc.want)
		}
	}
}
