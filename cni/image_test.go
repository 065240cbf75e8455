package cni

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// pauseImage is the name of the image that holds a sandbox.
const pauseImage = "shunt.test/pause:1"

// writePauseImage writes an OCI image with one program in it, which waits for
// ever, as a tar archive (image-spec, image-layout.md).
func writePauseImage(t *testing.T, path string) {
	t.Helper()
	archive := &ociArchive{t: t}
	layer := archive.tar(map[string][]byte{"pause": buildPause(t)})
	config := archive.json(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/pause"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	manifest := archive.json(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": archive.blob("application/vnd.oci.image.config.v1+json", config),
		"layers": []any{archive.blob("application/vnd.oci.image.layer.v1.tar", layer)},
	})
	entry := archive.blob("application/vnd.oci.image.manifest.v1+json", manifest)
	entry["annotations"] = map[string]string{"io.containerd.image.name": pauseImage}
	archive.file("index.json", archive.json(map[string]any{"schemaVersion": 2, "manifests": []any{entry}}))
	archive.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	if err := os.WriteFile(path, archive.tar(archive.files), 0o600); err != nil {
		t.Fatal(err)
	}
}

// buildPause builds the program that waits.
func buildPause(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source := "package main\n\nimport \"time\"\n\nfunc main() {\n\tfor {\n\t\ttime.Sleep(time.Hour)\n\t}\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "pause", "main.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "pause"))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// ociArchive collects the files of an image.
type ociArchive struct {
	t     *testing.T
	files map[string][]byte
}

func (a *ociArchive) file(name string, data []byte) {
	if a.files == nil {
		a.files = map[string][]byte{}
	}
	a.files[name] = data
}

// blob adds data under its digest, and returns its descriptor.
func (a *ociArchive) blob(mediaType string, data []byte) map[string]any {
	a.file("blobs/sha256/"+digest(data)[len("sha256:"):], data)
	return map[string]any{"mediaType": mediaType, "digest": digest(data), "size": len(data)}
}

func (a *ociArchive) json(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// tar packs files, all of them executable.
func (a *ociArchive) tar(files map[string][]byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data)), Format: tar.FormatUSTAR})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		a.t.Fatal(err)
	}
	return b.Bytes()
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }
