// Package facts is how the plugin asks the agent about a pod: a local socket of
// type SOCK_SEQPACKET, one JSON datagram each way. Both ends make sure by
// SO_PEERCRED that the other one is root's. It says what is known of a pod, and
// decides nothing.
//
// Sockets are used by system calls: package net would add a third of a megabyte
// to the plugin.
package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shunt/pods"
)

// Folder is the agent's on a node, and SocketFile the name in it at which it
// answers; Socket is both. Tests have others.
const (
	Folder     = "/run/shunt"
	SocketFile = "agent.sock"
	Socket     = Folder + "/" + SocketFile
)

// MaxWait is how long a client waits at most, for everything together. A server
// has to answer well before.
const MaxWait = 8 * time.Second

// MaxAnswer bounds an answer, in bytes: a pod's annotations can be 256 KiB
// (k8s.io/apimachinery, TotalAnnotationSizeLimitB). maxRequest bounds a request:
// names in Kubernetes have at most 253.
const (
	MaxAnswer  = 320 << 10
	maxRequest = 4 << 10
)

// Unknown is why the agent has no facts about a pod. It is an error.
type Unknown string

// The reasons.
const (
	Unsynced Unknown = "unsynced" // the agent does not know the pods of its node
	NotFound Unknown = "notfound" // there is no such pod
	OtherUID Unknown = "uid"      // the pod of that name has another uid
	TooBig   Unknown = "toobig"   // they are longer than MaxAnswer
	// Malformed says that the request made no sense: it is of another version.
	Malformed Unknown = "malformed"
)

// Error implements error.
func (u Unknown) Error() string {
	switch u {
	case Unsynced:
		return "shunt-agent does not know the pods of this node: the API server does not answer it, or does not allow it to list them"
	case NotFound:
		return "the API server has no such pod on this node"
	case OtherUID:
		return "the API server has a pod of this name with another uid"
	case TooBig:
		return fmt.Sprintf("its annotations and its namespace's are longer than %d KiB together", MaxAnswer>>10)
	case Malformed:
		return "shunt-agent does not understand the question: it is of another version"
	}
	return fmt.Sprintf("shunt-agent says %q", string(u))
}

// protocol is the version of both messages.
const protocol = 1

type request struct {
	V         int    `json:"v"`
	Op        string `json:"op"`
	Namespace string `json:"ns"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// opPod asks for the facts about a pod.
const opPod = "pod"

func encodeRequest(id pods.ID) ([]byte, error) {
	return json.Marshal(request{V: protocol, Op: opPod, Namespace: id.Namespace, Name: id.Name, UID: id.UID})
}

func decodeRequest(data []byte) (pods.ID, error) {
	var r request
	if err := json.Unmarshal(data, &r); err != nil {
		return pods.ID{}, fmt.Errorf("decode a request: %w", err)
	}
	switch {
	case r.V != protocol || r.Op != opPod:
		return pods.ID{}, fmt.Errorf("a request of version %d for %.20q: want version %d and %q", r.V, r.Op, protocol, opPod)
	case r.Namespace == "" || r.Name == "":
		return pods.ID{}, errors.New("a request without a pod's namespace and name")
	}
	return pods.ID{Namespace: r.Namespace, Name: r.Name, UID: r.UID}, nil
}

type answer struct {
	V      int     `json:"v"`
	Known  bool    `json:"known"`
	Reason Unknown `json:"reason,omitempty"`
	pods.Facts
}

// encodeAnswer encodes facts or, if there are none, the reason. Facts that are
// too long become that reason.
func encodeAnswer(f pods.Facts, why Unknown) ([]byte, Unknown, error) {
	a := answer{V: protocol, Known: why == "", Reason: why}
	if a.Known {
		a.Facts = f
	}
	data, err := json.Marshal(a)
	if err == nil && len(data) > MaxAnswer {
		return encodeAnswer(pods.Facts{}, TooBig)
	}
	return data, why, err
}

// decodeAnswer returns facts or, as an error, the reason why there are none.
func decodeAnswer(data []byte) (pods.Facts, error) {
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return pods.Facts{}, fmt.Errorf("decode shunt-agent's answer: %w", err)
	}
	switch {
	case a.V != protocol:
		return pods.Facts{}, fmt.Errorf("shunt-agent's answer has version %d: want %d", a.V, protocol)
	case !a.Known && a.Reason == "":
		return pods.Facts{}, errors.New("shunt-agent's answer has neither facts nor a reason")
	case !a.Known:
		return pods.Facts{}, a.Reason
	}
	return a.Facts, nil
}
