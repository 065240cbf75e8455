package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerEntry is an element of manifest.json, which docker save writes and older
// releases of docker load, and crane push, read.
type dockerEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// files returns the files of an OCI image layout. An image for one platform has
// manifest.json besides.
func (img *Image) files() (map[string][]byte, error) {
	root := img.Root
	root.Annotations = map[string]string{
		"io.containerd.image.name": img.Name,
		v1.AnnotationRefName:       img.Tag,
	}
	index := v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{root},
	}
	content := map[string]any{
		v1.ImageIndexFile:  index,
		v1.ImageLayoutFile: v1.ImageLayout{Version: v1.ImageLayoutVersion},
	}
	if len(img.manifest.Layers) > 0 {
		content["manifest.json"] = []dockerEntry{{blobPath(img.manifest.Config.Digest), []string{img.Name}, []string{blobPath(img.manifest.Layers[0].Digest)}}}
	}
	files := map[string][]byte{}
	for name, value := range content {
		b, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		files[name] = b
	}
	for d, blob := range img.Blobs {
		files[blobPath(d)] = blob
	}
	return files, nil
}

func blobPath(d digest.Digest) string {
	return filepath.Join(v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// WriteLayout writes an OCI image layout to a folder, which it makes.
func (img *Image) WriteLayout(dir string) error {
	files, err := img.files()
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write an image layout: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write an image layout: %w", err)
		}
	}
	return nil
}

// WriteArchive writes the image layout as a tar archive.
func (img *Image) WriteArchive(path string) (err error) {
	files, err := img.files()
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write an image archive: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := writeTar(f, files); err != nil {
		return fmt.Errorf("write an image archive: %s: %w", path, err)
	}
	return nil
}

func writeTar(f io.Writer, files map[string][]byte) error {
	w := tar.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	return w.Close()
}
