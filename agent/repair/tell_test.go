package repair

import (
	"fmt"
	"strings"
	"testing"
)

// Whoever reads that a namespace was not found is told what to do about it; the
// folder is only asked about where nothing was found in it.
func TestANamespaceThatIsNotFoundHasANextStep(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ErrNotFound, ErrAmbiguous, errShared} {
		n := notFound(fmt.Errorf("%w: shop/web", err))
		if !strings.Contains(n.Text, err.Error()) || !strings.Contains(n.Text, "delete it, so that a new one gets them") {
			t.Errorf("%v: %s", err, n.Text)
		}
		if strings.Contains(n.Text, "--netns-dir") != (err == ErrNotFound) {
			t.Errorf("%v: %s", err, n.Text)
		}
	}
}
