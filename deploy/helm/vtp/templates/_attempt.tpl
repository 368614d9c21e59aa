{{- /* The pod of an attempt in a node pool. Its name, its assignment and its Job are the agent's to add. */ -}}
{{- define "vtp.attemptPod" -}}
{{- $pool := .pool }}
metadata:
  labels: {{- include "vtp.selector" .root | nindent 4 }}
    app.kubernetes.io/component: attempt
  annotations:
    # A training that is moved to pack nodes more tightly loses what it did since its last checkpoint.
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
    {{- with $pool.gpu }}
    vtp/gpu-name: {{ .name | quote }}
    vtp/gpu-memory: {{ .memory | quote }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ $pool.graceSeconds | default 120 }}
  securityContext: {{- include "vtp.podSecurity" .root | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: attempt
      image: {{ include "vtp.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [python, -m, trainers.agent.kubernetes.pod]
      securityContext: {{- include "vtp.containerSecurity" .root | nindent 8 }}
      env:
        - { name: VTP_POD_HOME, value: /var/lib/vtp }
        - { name: VTP_GRACE_SECONDS, value: {{ sub ($pool.graceSeconds | default 120) 20 | max 1 | quote }} }
        {{- if $pool.dataCache }}
        - { name: VTP_DATA_CACHE, value: /var/cache/vtp }
        {{- end }}
      resources:
        requests: {{- toYaml $pool.resources | nindent 10 }}
          ephemeral-storage: {{ $pool.ephemeralStorage | default "20Gi" }}
        limits: {{- toYaml $pool.resources | nindent 10 }}
          ephemeral-storage: {{ $pool.ephemeralStorage | default "20Gi" }}
      volumeMounts:
        - { name: home, mountPath: /var/lib/vtp }
        - { name: tmp, mountPath: /tmp }
        - { name: shm, mountPath: /dev/shm }
        {{- if $pool.dataCache }}
        - { name: cache, mountPath: /var/cache/vtp }
        {{- end }}
  volumes:
    - { name: home, emptyDir: {} }
    - { name: tmp, emptyDir: {} }
    - { name: shm, emptyDir: { medium: Memory, sizeLimit: {{ $pool.sharedMemory | default "1Gi" }} } }
    {{- if $pool.dataCache }}
    - { name: cache, persistentVolumeClaim: { claimName: {{ $pool.dataCache }} } }
    {{- end }}
{{- end -}}
