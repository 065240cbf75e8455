package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"shunt/pods"
)

// kube is the API server, as far as the agent talks to it: by REST clients
// with the few kinds that it uses. The typed clients link every kind there is,
// 12 MB more.
type kube struct {
	core, apps, events *rest.RESTClient
	params             runtime.ParameterCodec
}

// requestTimeout bounds a request that is not a watch.
const requestTimeout = 5 * time.Second

// queries and burst bound how many requests a client makes in a second, and at
// once: as the kubelet by default. With client-go's 5 and 10, the last of 100 pods
// that are blocked without rules waited half a minute for its Events.
const (
	queries = 50
	burst   = 100
)

// newKube makes the clients; nothing is sent yet.
func newKube(cfg *rest.Config) (*kube, error) {
	scheme := runtime.NewScheme()
	for gv, kinds := range map[schema.GroupVersion][]runtime.Object{
		corev1.SchemeGroupVersion:   {&corev1.Pod{}, &corev1.PodList{}, &corev1.Node{}, &corev1.NodeList{}, &corev1.Namespace{}, &corev1.NamespaceList{}},
		appsv1.SchemeGroupVersion:   {&appsv1.DaemonSet{}, &appsv1.DaemonSetList{}},
		eventsv1.SchemeGroupVersion: {&eventsv1.Event{}},
		policyv1.SchemeGroupVersion: {&policyv1.Eviction{}},
	} {
		scheme.AddKnownTypes(gv, kinds...)
		metav1.AddToGroupVersion(scheme, gv)
	}
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a client of the Kubernetes API: %w", err)
	}
	k := &kube{params: runtime.NewParameterCodec(scheme)}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	for _, c := range []struct {
		to   **rest.RESTClient
		path string
		gv   schema.GroupVersion
	}{
		{&k.core, "/api", corev1.SchemeGroupVersion},
		{&k.apps, "/apis", appsv1.SchemeGroupVersion},
		{&k.events, "/apis", eventsv1.SchemeGroupVersion},
	} {
		if *c.to, err = restClient(cfg, client, c.path, c.gv, codecs); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func restClient(cfg *rest.Config, client *http.Client, path string, gv schema.GroupVersion, codecs runtime.NegotiatedSerializer) (*rest.RESTClient, error) {
	c := rest.CopyConfig(cfg)
	c.APIPath, c.GroupVersion, c.NegotiatedSerializer = path, &gv, codecs
	c.QPS, c.Burst = queries, burst
	rc, err := rest.RESTClientForConfigAndClient(c, client)
	if err != nil {
		return nil, fmt.Errorf("make a client of the Kubernetes API: %w", err)
	}
	return rc, nil
}

func (k *kube) pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	return pod, k.core.Get().Timeout(requestTimeout).Namespace(namespace).Resource("pods").Name(name).Do(ctx).Into(pod)
}

func (k *kube) namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	n := &corev1.Namespace{}
	return n, k.core.Get().Timeout(requestTimeout).Resource("namespaces").Name(name).Do(ctx).Into(n)
}

// evict asks for the eviction of a pod, if it is still the one of this uid.
func (k *kube) evict(ctx context.Context, id pods.ID) error {
	return k.core.Post().Timeout(requestTimeout).Namespace(id.Namespace).Resource("pods").Name(id.Name).SubResource("eviction").
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Namespace: id.Namespace, Name: id.Name},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(id.UID)},
		}).Do(ctx).Error()
}

// listWatch lists and watches the objects of a resource that the selectors
// choose.
func listWatch[L runtime.Object](k *kube, c *rest.RESTClient, resource, namespace, labels string, selector fields.Selector, list func() L) *cache.ListWatch {
	get := func(o metav1.ListOptions) *rest.Request {
		o.FieldSelector, o.LabelSelector = selector.String(), labels
		return c.Get().NamespaceIfScoped(namespace, namespace != "").Resource(resource).VersionedParams(&o, k.params)
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l := list()
			return l, get(o).Timeout(requestTimeout).Do(ctx).Into(l)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			return get(o).Watch(ctx)
		},
	}
}

// notAllowed reports whether the API server refused the request for who made
// it: asking again does not help before somebody changes the permissions.
func notAllowed(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}

// errNoAPI is the cause where there is no API server to talk to.
var errNoAPI = errors.New("not in a pod: no service account, or no KUBERNETES_SERVICE_HOST")

// InCluster is the configuration of a pod's service account.
func InCluster(userAgent string) (*rest.Config, error) {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAPI, err)
	}
	cfg.UserAgent = userAgent
	return cfg, nil
}
