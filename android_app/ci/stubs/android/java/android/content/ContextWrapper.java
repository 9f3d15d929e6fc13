package android.content;

import android.content.pm.ApplicationInfo;
import java.io.File;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class ContextWrapper extends Context {
    public Object getSystemService(String name) {
        throw new RuntimeException("stub");
    }

    public void startActivity(Intent intent) {
        throw new RuntimeException("stub");
    }

    public File[] getExternalMediaDirs() {
        throw new RuntimeException("stub");
    }

    public ApplicationInfo getApplicationInfo() {
        throw new RuntimeException("stub");
    }

    public String getPackageName() {
        throw new RuntimeException("stub");
    }

    public Intent registerReceiver(BroadcastReceiver receiver, IntentFilter filter) {
        throw new RuntimeException("stub");
    }
}
