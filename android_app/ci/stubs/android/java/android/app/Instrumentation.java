package android.app;

import android.content.Context;
import android.os.Bundle;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Instrumentation {
    public void onCreate(Bundle arguments) {
        throw new RuntimeException("stub");
    }

    public void start() {
        throw new RuntimeException("stub");
    }

    public void onStart() {
        throw new RuntimeException("stub");
    }

    public Context getTargetContext() {
        throw new RuntimeException("stub");
    }

    public void sendStatus(int resultCode, Bundle results) {
        throw new RuntimeException("stub");
    }

    public void finish(int resultCode, Bundle results) {
        throw new RuntimeException("stub");
    }
}
