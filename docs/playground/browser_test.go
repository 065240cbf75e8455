package playground

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The page in a browser: test/page.test.mjs drives Chromium, and compares with
// the command line, which is built here.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	var chromium string
	for _, tool := range []string{"node", "npm", "chromium"} {
		path, err := exec.LookPath(tool)
		if chromium = path; err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and this is CI: scripts/deps.sh installs it", tool)
			}
			t.Skipf("%s is missing: scripts/deps.sh installs it", tool)
		}
	}
	dir := t.TempDir()
	shunt, page := filepath.Join(dir, "shunt"), filepath.Join(dir, "page")
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "SHUNT="+shunt, "PAGE="+filepath.Join(page, "index.html"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		t.Logf("%s", out)
	}
	run("go", "build", "-o", shunt, "shunt/cmd/shunt")
	run("./build.sh", page)
	run("node", "--test", "--test-reporter=spec", "test/page.test.mjs")
}
