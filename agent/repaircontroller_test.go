package agent

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// validated is a pod whose network validator ended with a status.
func validated(name string, status int32, last bool) *corev1.Pod {
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: status}}
	c := corev1.ContainerStatus{Name: validatorContainer, State: ended}
	if last {
		c.State, c.LastTerminationState = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, ended
	}
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "2"},
		Status:     corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{c}}}
}

func TestRepairController(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	going := validated("going", 95, false)
	now := metav1.Now()
	going.DeletionTimestamp = &now
	a.objects["pods"] = []any{validated("fine", 0, false), validated("broken", 95, true), validated("other", 1, true), going}
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- RunRepairController(ctx, RepairConfig{Kube: a.config(), Node: "node1", Pod: "controller", AdminAddr: addr}, slog.New(slog.DiscardHandler))
	}()
	r := &running{TB: t, health: addr, metrics: addr}
	eventually(t, "it is ready", func() bool { status, _ := r.get(addr, "/ready"); return status == 200 })
	r.metric("linkerd_cni_repair_controller_pods_deleted_total", "1")
	a.say("pods", "ADDED", validated("late", 95, false))
	r.metric("linkerd_cni_repair_controller_pods_deleted_total", "2")
	a.lock(func() {
		want := "/api/v1/namespaces/app/pods/broken uid-broken, /api/v1/namespaces/app/pods/late uid-late"
		if got := strings.Join(a.deleted, ", "); got != want {
			t.Errorf("deleted: %s, want %s", got, want)
		}
		if len(a.events) != 2 || a.events[0].Reason != reasonDeleting || a.events[0].Namespace != "app" || a.events[0].Regarding.UID != "uid-broken" ||
			a.events[0].ReportingController != RepairControllerName || a.events[0].ReportingInstance != "controller" {
			t.Errorf("the Events: %+v", a.events)
		}
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhichNodesAreSelected(t *testing.T) {
	t.Parallel()
	n := node("", map[string]string{"os": "linux", "cores": "8"})
	for _, c := range []struct {
		key, op string
		values  []string
		want    bool
	}{
		{"os", "In", []string{"linux", "bsd"}, true}, {"os", "In", []string{"bsd"}, false},
		{"os", "NotIn", []string{"bsd"}, true}, {"os", "NotIn", []string{"linux"}, false},
		{"os", "Exists", nil, true}, {"gpu", "Exists", nil, false},
		{"gpu", "DoesNotExist", nil, true}, {"os", "DoesNotExist", nil, false},
		{"cores", "Gt", []string{"4"}, true}, {"cores", "Lt", []string{"4"}, false},
		{"os", "Odd", nil, true}, // not understood
	} {
		term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: c.key, Operator: corev1.NodeSelectorOperator(c.op), Values: c.values}}}
		spec := &corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}}}
		if got := selects(spec, n); got != c.want {
			t.Errorf("%s %s %v: %v", c.key, c.op, c.values, got)
		}
	}
	field := corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: "In", Values: []string{"other"}}}}
	spec := &corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{field}}}}}
	if selects(spec, n) {
		t.Error("another node's name selects")
	}
}
