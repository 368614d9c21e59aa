"""The backend of the Vision AI Training Platform: REST, WebSocket, orchestration, error handling."""
