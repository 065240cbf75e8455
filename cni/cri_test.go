package cni

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// cri calls a container runtime's CRI service: gRPC over HTTP/2 on a socket,
// with the few messages that the test needs encoded by hand (field numbers
// from k8s.io/cri-api, pkg/apis/runtime/v1/api.proto). Nothing of Kubernetes
// becomes a dependency of this module.
type cri struct {
	client *http.Client
}

func newCRI(socket string) *cri {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &cri{&http.Client{Transport: &http.Transport{
		Protocols: protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// call calls a method of RuntimeService and returns the answer's message.
func (c *cri) call(ctx context.Context, method string, request []byte) ([]byte, error) {
	// A message on the wire: not compressed, its length, itself.
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cri/runtime.v1.RuntimeService/"+method, bytes.NewReader(append(body, request...)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	trailer := res.Trailer
	if trailer.Get("Grpc-Status") == "" {
		trailer = res.Header // an answer without a message has no trailer of its own
	}
	if status := trailer.Get("Grpc-Status"); status != "0" {
		text, err := url.PathUnescape(trailer.Get("Grpc-Message"))
		if err != nil {
			text = trailer.Get("Grpc-Message")
		}
		return nil, fmt.Errorf("%s: status %s: %s", method, status, text)
	}
	if len(answer) < 5 {
		return nil, fmt.Errorf("%s: no message in the answer", method)
	}
	return answer[5:], nil
}

// field appends a field with a length: a string, a message, or an entry of a
// map (protobuf's wire type 2).
func field[T string | []byte](message []byte, number int, value T) []byte {
	message = binary.AppendUvarint(message, uint64(number<<3|2))
	message = binary.AppendUvarint(message, uint64(len(value)))
	return append(message, value...)
}

// sandbox is what a kubelet says of a pod.
type sandbox struct {
	name, namespace string
	annotations     map[string]string
	cgroup          string
}

// config returns the PodSandboxConfig.
func (s sandbox) config() []byte {
	var metadata, linux, config []byte
	metadata = field(metadata, 1, s.name)
	metadata = field(metadata, 2, "uid-of-"+s.name)
	metadata = field(metadata, 3, s.namespace)
	linux = field(linux, 1, s.cgroup)
	config = field(config, 1, metadata)
	config = field(config, 2, s.name)
	for k, v := range s.annotations {
		config = field(config, 7, field(field(nil, 1, k), 2, v))
	}
	return field(config, 8, linux)
}

// run starts the pod's sandbox and returns its id.
func (c *cri) run(ctx context.Context, s sandbox) (id string, err error) {
	answer, err := c.call(ctx, "RunPodSandbox", field(nil, 1, s.config()))
	if err != nil {
		return "", err
	}
	// RunPodSandboxResponse has one field, the id.
	if len(answer) < 2 || answer[0] != 1<<3|2 || int(answer[1]) != len(answer)-2 {
		return "", fmt.Errorf("RunPodSandbox: unexpected answer %q", answer)
	}
	return string(answer[2:]), nil
}

func (c *cri) stop(ctx context.Context, id string) error {
	_, err := c.call(ctx, "StopPodSandbox", field(nil, 1, id))
	return err
}

func (c *cri) remove(ctx context.Context, id string) error {
	_, err := c.call(ctx, "RemovePodSandbox", field(nil, 1, id))
	return err
}
