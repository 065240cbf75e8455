package plan

import "testing"

func TestPrintableEscapesWhatMovesTheCursorOrForgesALine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Deployment shop/web":    "Deployment shop/web",
		`a "quoted" \ text, ü 😀`: `a "quoted" \ text, ü 😀`,
		"x\n::error::owned":      `x\n::error::owned`,
		"\x1b[2J\"\r\a":          `\x1b[2J"\r\a`,
		"\u202eright to left":    `\u202eright to left`,
		"not UTF-8: \xff":        `not UTF-8: \xff`,
		"no-break\u00a0space":    `no-break\u00a0space`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %s, want %s", text, got, want)
		}
	}
}
