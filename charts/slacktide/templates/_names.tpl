{{- define "slacktide.name" -}}
{{- if contains "slacktide" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-slacktide" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- /* Objects of the whole cluster: two releases in two namespaces must not meet. */ -}}
{{- define "slacktide.clusterName" -}}
{{ .Release.Namespace }}-{{ include "slacktide.name" . }}
{{- end }}

{{- define "slacktide.account" -}}
{{- .Values.serviceAccount.name | default (include "slacktide.name" .) -}}
{{- end }}

{{- define "slacktide.selector" -}}
app.kubernetes.io/name: slacktide
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: scheduler
{{- end }}

{{- /* Of the node agent's own account: the planner's may do other things. */ -}}
{{- define "slacktide.agentAccount" -}}
{{ include "slacktide.name" . }}-agent
{{- end }}

{{- define "slacktide.agentSelector" -}}
app.kubernetes.io/name: slacktide
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end }}

{{- define "slacktide.agentLabels" -}}
{{ include "slacktide.agentSelector" . }}
{{ include "slacktide.origin" . }}
{{- end }}

{{- define "slacktide.labels" -}}
{{ include "slacktide.selector" . }}
{{ include "slacktide.origin" . }}
{{- end }}

{{- define "slacktide.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Without what distributions append, such as -gke.100: the official image has plain versions. */ -}}
{{- define "slacktide.kubeSchedulerTag" -}}
{{- $version := semver .Capabilities.KubeVersion.Version -}}
{{- .Values.kubeScheduler.image.tag | default (printf "v%d.%d.%d" $version.Major $version.Minor $version.Patch) -}}
{{- end }}

{{- /* What a schema cannot say. */ -}}
{{- define "slacktide.check" -}}
{{- if eq (int .Values.planner.extenderPort) (int .Values.planner.healthPort) -}}
{{- fail "planner.extenderPort and planner.healthPort are the same: give one of them another port" -}}
{{- end -}}
{{- if gt (int .Values.kubeScheduler.podInitialBackoffSeconds) (int .Values.kubeScheduler.podMaxBackoffSeconds) -}}
{{- fail "kubeScheduler.podInitialBackoffSeconds is above kubeScheduler.podMaxBackoffSeconds: raise the second" -}}
{{- end -}}
{{- if and .Values.door.enabled (semverCompare "<1.36-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "the door needs Kubernetes 1.36, which has MutatingAdmissionPolicies: set door.enabled=false, and have pods ask for kubernetes.io/batch-cpu, kubernetes.io/batch-memory and slacktide.io/task themselves" -}}
{{- end -}}
{{- end }}
