{{- /* What the agent may do on the node: write files that are root's, and, to repair, enter pods' network namespaces. */ -}}
{{- define "shunt.securityContext" -}}
runAsUser: 0
runAsGroup: 0
runAsNonRoot: false
readOnlyRootFilesystem: true
privileged: {{ .Values.privileged }}
{{- if not .Values.privileged }}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
  add: {{ eq .Values.shunt.repair "off" | ternary (list "DAC_OVERRIDE") (list "DAC_OVERRIDE" "NET_ADMIN" "SYS_ADMIN") | toJson }}
{{- end }}
{{- with .Values.shunt.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "shunt.volumeMounts" -}}
{{- if ne .Values.destCNIBinDir .Values.destCNINetDir -}}
- name: cni-bin-dir
  mountPath: /host{{ .Values.destCNIBinDir }}
{{ end -}}
- name: cni-net-dir
  mountPath: /host{{ .Values.destCNINetDir }}
- name: run-shunt
  mountPath: /run/shunt
- name: run-netns
  mountPath: /run/netns
  mountPropagation: HostToContainer
  readOnly: true
{{- end -}}

{{- define "shunt.volumes" -}}
{{- if ne .Values.destCNIBinDir .Values.destCNINetDir -}}
- name: cni-bin-dir
  hostPath:
    path: {{ .Values.destCNIBinDir }}
    type: DirectoryOrCreate
{{ end -}}
- name: cni-net-dir
  hostPath:
    path: {{ .Values.destCNINetDir }}
    type: DirectoryOrCreate
- name: run-shunt
  hostPath:
    path: /run/shunt
    type: DirectoryOrCreate
- name: run-netns
  hostPath:
    path: /run/netns
    type: DirectoryOrCreate
{{- end -}}
